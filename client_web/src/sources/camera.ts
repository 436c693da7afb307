import { CameraTrouble } from "../troubles";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where the picture comes from. Whoever opens a source closes it. */
export interface Source {
  readonly kind: "camera" | "demo" | "file";
  readonly label: string;
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  /** Whether people expect to see it as in a mirror. */
  readonly mirrored: boolean;
  close(): void;
}

export const FRAME_RATE = 30;

/** getUserMedia is missing on plain http from another machine, whatever the visitor would allow. */
export function cameraPossible(): boolean {
  return window.isSecureContext && navigator.mediaDevices?.getUserMedia !== undefined;
}

/** Cameras the browser tells of; their names are empty until one was allowed. */
export async function listCameras(): Promise<MediaDeviceInfo[]> {
  if (!cameraPossible()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

function trouble(error: unknown): CameraTrouble {
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return new CameraTrouble("camera-denied");
    case "NotFoundError":
    case "OverconstrainedError":
      return new CameraTrouble("camera-missing");
    case "NotReadableError":
    case "AbortError":
      return new CameraTrouble("camera-busy");
    default:
      return new CameraTrouble("camera-failed", error instanceof Error ? error.message : "");
  }
}

/**
 * Ask for a camera.
 *
 * @param deviceId one of `listCameras`, or null for the browser's choice
 * @throws CameraTrouble with the reason the browser gave
 */
export async function openCamera(deviceId: string | null, size: Size): Promise<Source> {
  if (!cameraPossible()) throw new CameraTrouble("camera-insecure");
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: {
        width: { ideal: size.width },
        height: { ideal: size.height },
        frameRate: { ideal: FRAME_RATE },
        ...(deviceId === null ? { facingMode: "user" } : { deviceId: { exact: deviceId } }),
      },
    });
  } catch (error) {
    throw trouble(error);
  }
  const track = stream.getVideoTracks()[0];
  if (track === undefined) throw new CameraTrouble("camera-missing");
  return {
    kind: "camera",
    label: track.label || "Camera",
    stream,
    track,
    mirrored: track.getSettings().facingMode !== "environment",
    close: () => track.stop(),
  };
}
