import type { OpenedSession } from "../server/api";
import { FRAME_RATE } from "../sources/camera";

/** The video connection did not come about. */
export class ConnectionFailed extends Error {}

/** One peer connection: camera up, edit down, two data channels. */
export interface Peer {
  readonly connection: RTCPeerConnection;
  readonly sender: RTCRtpSender;
  readonly edited: MediaStream;
  readonly control: RTCDataChannel;
  readonly telemetry: RTCDataChannel;
  /** What the control channel has said before anybody listened; from then on it is not kept. */
  takeEarly(): readonly unknown[];
}

const GATHERING_TIMEOUT_MS = 2_000;
const OPENING_TIMEOUT_MS = 12_000;

/** Properties some browsers have and TypeScript's DOM does not name yet. */
type Receiver = RTCRtpReceiver & { playoutDelayHint?: number; jitterBufferTarget?: number | null };

export function showAtOnce(receiver: Receiver): void {
  if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
  if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
}

/** Tell the encoder that this is motion: rather softer than fewer frames. */
export function hintMotion(track: MediaStreamTrack): void {
  if ("contentHint" in track) track.contentHint = "motion";
}

async function limit(sender: RTCRtpSender, maxBitrate: number | null): Promise<void> {
  const parameters = sender.getParameters();
  // Firefox gives no encodings before negotiation; it then keeps to the camera's own rate.
  if (!parameters.encodings?.length) return;
  for (const encoding of parameters.encodings) {
    encoding.maxFramerate = FRAME_RATE;
    // Unasked, browsers stop at 1.7 Mbit/s for 640 × 480, however much the network carries.
    if (maxBitrate !== null) encoding.maxBitrate = maxBitrate;
  }
  await sender.setParameters(parameters);
}

async function accept(connection: RTCPeerConnection, answer: string): Promise<void> {
  try {
    await connection.setRemoteDescription({ type: "answer", sdp: answer });
  } catch (error) {
    if (error instanceof DOMException) throw new ConnectionFailed(error.message);
    throw error;
  }
}

/** Wait until every candidate is known, or long enough: the offer is sent once and whole. */
export async function gathered(
  connection: RTCPeerConnection,
  timeoutMs = GATHERING_TIMEOUT_MS,
): Promise<void> {
  if (connection.iceGatheringState === "complete") return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function opened(
  connection: RTCPeerConnection,
  channel: RTCDataChannel,
  signal: AbortSignal,
): Promise<void> {
  if (channel.readyState === "open") return;
  signal.throwIfAborted();
  let fail = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      fail = () => reject(new ConnectionFailed());
      timer = setTimeout(fail, OPENING_TIMEOUT_MS);
      channel.addEventListener("open", () => resolve());
      channel.addEventListener("close", fail);
      signal.addEventListener("abort", fail);
      connection.addEventListener("connectionstatechange", () => {
        if (connection.connectionState === "failed") fail();
      });
    });
  } finally {
    clearTimeout(timer);
    // A visit outlives its connections; each would be kept for as long as it listens.
    signal.removeEventListener("abort", fail);
  }
}

/**
 * Connect `track` to the server.
 *
 * @param exchange sends the offer's SDP and resolves to the answer's
 * @throws ConnectionFailed if the offer was answered but no connection opened; whatever `exchange` throws
 */
export async function connect(
  track: MediaStreamTrack,
  { iceServers, maxBitrate }: Pick<OpenedSession, "iceServers" | "maxBitrate">,
  exchange: (offer: string) => Promise<string>,
  signal: AbortSignal,
): Promise<Peer> {
  const connection = new RTCPeerConnection({ iceServers: [...iceServers] });
  try {
    const control = connection.createDataChannel("control", { ordered: true });
    const early: unknown[] = [];
    const keep = (event: MessageEvent) => early.push(event.data);
    control.addEventListener("message", keep);
    const telemetry = connection.createDataChannel("telemetry", {
      ordered: false,
      maxRetransmits: 0,
    });
    hintMotion(track);
    const { sender, receiver } = connection.addTransceiver(track, { direction: "sendrecv" });
    showAtOnce(receiver);

    await connection.setLocalDescription();
    await gathered(connection);
    signal.throwIfAborted();
    const answer = await exchange(connection.localDescription?.sdp ?? "");
    signal.throwIfAborted();
    await accept(connection, answer);
    await limit(sender, maxBitrate);
    await opened(connection, control, signal);
    return {
      connection,
      sender,
      edited: new MediaStream([receiver.track]),
      control,
      telemetry,
      takeEarly: () => {
        control.removeEventListener("message", keep);
        return early.splice(0);
      },
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}
