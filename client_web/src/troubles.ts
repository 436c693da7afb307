/** Everything that can go wrong in front of a visitor, and the words for it. */
export type TroubleKind =
  | "camera-insecure"
  | "camera-denied"
  | "camera-missing"
  | "camera-busy"
  | "camera-failed"
  | "camera-ended"
  | "camera-muted"
  | "demo-missing"
  | "file-unplayable"
  | "instruction-unfit"
  | "server-unreachable"
  | "server-full"
  | "server-warming"
  | "model-failed"
  | "server-refused"
  | "token-needed"
  | "no-webrtc"
  | "connection-failed"
  | "connection-lost"
  | "nothing-sent"
  | "unforeseen";

/** What a visitor can do about it; the page turns each into a button. */
export type Remedy = "camera" | "demo" | "file" | "retry" | "token" | "stop" | "keep" | "check";

export interface Trouble {
  readonly kind: TroubleKind;
  readonly title: string;
  readonly words: string;
  readonly remedies: readonly Remedy[];
  /** Whether the page goes on trying by itself. */
  readonly retries: boolean;
}

/** A source that could not be opened, with the reason. */
export class CameraTrouble extends Error {
  constructor(
    readonly kind: TroubleKind,
    readonly detail = "",
  ) {
    super(kind);
  }
}

const WITHOUT_A_CAMERA: readonly Remedy[] = ["demo", "file"];

export function describe(kind: TroubleKind, detail = ""): Trouble {
  const say = (
    title: string,
    words: string,
    remedies: readonly Remedy[],
    retries = false,
  ): Trouble => ({ kind, title, words, remedies, retries });

  switch (kind) {
    case "camera-insecure":
      return say(
        "The camera needs a secure page",
        "Browsers lend a camera only to pages on https or on localhost. Open this page at such an address, or go on without a camera.",
        WITHOUT_A_CAMERA,
      );
    case "camera-denied":
      return say(
        "The camera is not allowed",
        "This page may not use the camera. Allow it with the camera symbol in the address bar, then try again; or go on without one.",
        ["camera", ...WITHOUT_A_CAMERA],
      );
    case "camera-missing":
      return say(
        "No camera found",
        "This computer shows no camera, or not the one you chose. Plug one in and try again, or go on without one.",
        ["camera", ...WITHOUT_A_CAMERA],
      );
    case "camera-busy":
      return say(
        "The camera is in use",
        "Another program or tab holds the camera. Close it there and try again, or go on without it.",
        ["camera", ...WITHOUT_A_CAMERA],
      );
    case "camera-failed":
      return say(
        "The camera did not start",
        detail || "The browser gave no reason. Try again, or go on without a camera.",
        ["camera", ...WITHOUT_A_CAMERA],
      );
    case "camera-ended":
      return say(
        "The camera stopped",
        "It was unplugged, switched off, or taken away in the browser. The edit goes on as soon as there is a picture again.",
        ["camera", ...WITHOUT_A_CAMERA],
      );
    case "camera-muted":
      return say(
        "The camera sends no picture",
        "It is switched off by a key, a shutter or the system, or another program has taken it. The edit goes on as soon as it sends again.",
        ["camera", ...WITHOUT_A_CAMERA],
      );
    case "demo-missing":
      return say(
        "The demo clip did not load",
        "Its photograph comes from the server, which did not send it. Check the server and the network and try again, or go on with a camera or a file.",
        ["demo", "camera", "file"],
      );
    case "file-unplayable":
      return say(
        "This file does not play here",
        `${detail ? `“${detail}”` : "The file"} is not a video this browser can play. MP4 (H.264) and WebM work almost everywhere.`,
        ["file", "demo"],
      );
    case "instruction-unfit":
      return say("This instruction cannot be used", detail, []);
    case "server-unreachable":
      return say(
        "The server does not answer",
        "Nothing came back from it. If it runs on this computer, check that it was started; if not, check the network.",
        ["retry", "stop"],
        true,
      );
    case "server-full":
      return say(
        "Every place is taken",
        "The server edits as many streams as it can at once. Yours starts as soon as one leaves.",
        ["retry", "stop"],
        true,
      );
    case "server-warming":
      return say(
        "The model is warming up",
        detail || "It starts in a moment, and your picture with it.",
        ["stop"],
        true,
      );
    case "nothing-sent":
      return say(
        "Nothing comes in yet",
        "Start streaming in OBS, or whatever sends, with the bearer token that was given here. The edit shows as soon as its picture comes.",
        ["retry", "token", "stop"],
        true,
      );
    case "model-failed":
      return say(
        "The server has no model to edit with",
        detail || "It could not load it, and gave no reason.",
        ["retry", "stop"],
        true,
      );
    case "server-refused":
      return say("The server refused", detail || "It gave no reason.", ["retry", "stop"]);
    case "token-needed":
      return say(
        "This server asks for a token",
        detail || "Whoever runs it can give you one. It stays in this tab.",
        ["token"],
      );
    case "no-webrtc":
      return say(
        "This browser cannot send live video",
        "It has no WebRTC, or it is switched off. A current Firefox, Chrome, Edge or Safari has it.",
        [],
      );
    case "connection-failed":
      return say(
        "The video cannot get through",
        "The server answers, but the video connection to it does not open. A firewall between here and there may block UDP.",
        ["retry", "stop"],
        true,
      );
    case "connection-lost":
      return say(
        "The connection was lost",
        "Your instruction is kept and applied again as soon as the server is back.",
        ["retry", "stop"],
        true,
      );
    case "unforeseen":
      return say(
        "Something went wrong in this page",
        `It is a mistake of the page, not yours${detail ? `: “${detail}”` : ""}. Trying again may help, and so may loading the page anew.`,
        ["retry", "stop"],
      );
  }
}
