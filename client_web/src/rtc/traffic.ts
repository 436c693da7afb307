/** What the browser says of one connection: by which way it goes, and how much goes either way. */

/** How the packets go. */
export interface Path {
  /** Whether a TURN server stands between. */
  readonly relayed: boolean;
  /** "UDP", "TCP" or "TLS", as this browser sends; null where it does not say. */
  readonly protocol: string | null;
  readonly roundTripMs: number | null;
}

/** Video in one direction. */
export interface Flow {
  /** As in "H264"; null before the first packet. */
  readonly codec: string | null;
  readonly bitsPerSecond: number | null;
}

export interface Traffic {
  readonly path: Path | null;
  readonly up: Flow;
  readonly down: Flow;
}

/** A codec by the name that people know. */
export function codecName(codec: string): string {
  return codec.toUpperCase() === "H264" ? "H.264" : codec;
}

/** Bit rates are taken over so long: shorter ones jump with every key frame. */
const WINDOW_MS = 3_000;

const NOTHING: Flow = { codec: null, bitsPerSecond: null };

/** Statistics of one kind as they come, each field where a browser has it. */
type Entry = Readonly<Record<string, unknown>> & { readonly type: string };

/** Reads `RTCPeerConnection.getStats()` again and again; rates are what went on in between. */
export class TrafficMeter {
  private readonly sent = new ByteRate();
  private readonly received = new ByteRate();

  read(report: Iterable<readonly [string, object]>): Traffic {
    const entries = new Map<string, Entry>();
    for (const [id, entry] of report) entries.set(id, entry as Entry);
    return {
      path: path(entries),
      up: flow(entries, "outbound-rtp", "bytesSent", this.sent),
      down: flow(entries, "inbound-rtp", "bytesReceived", this.received),
    };
  }
}

class ByteRate {
  private readonly samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** Bits a second over the last seconds; null after the first sample. */
  add(atMs: number, bytes: number): number | null {
    const { samples } = this;
    if ((samples.at(-1)?.bytes ?? 0) > bytes) samples.length = 0;
    samples.push({ atMs, bytes });
    while ((samples[1]?.atMs ?? atMs) < atMs - WINDOW_MS) samples.shift();
    const first = samples[0];
    if (first === undefined || first.atMs === atMs) return null;
    return (8_000 * (bytes - first.bytes)) / (atMs - first.atMs);
  }
}

function path(entries: ReadonlyMap<string, Entry>): Path | null {
  const pair = [...entries.values()].find(
    ({ type, nominated, state }) =>
      type === "candidate-pair" && nominated === true && state === "succeeded",
  );
  if (pair === undefined) return null;
  const [local, remote] = [pair["localCandidateId"], pair["remoteCandidateId"]].map((id) =>
    entries.get(String(id)),
  );
  const relaying = local?.["candidateType"] === "relay";
  const protocol = relaying
    ? (local?.["relayProtocol"] ?? local?.["protocol"])
    : local?.["protocol"];
  const roundTripS = pair["currentRoundTripTime"];
  return {
    relayed: relaying || remote?.["candidateType"] === "relay",
    protocol: typeof protocol === "string" ? protocol.toUpperCase() : null,
    roundTripMs: typeof roundTripS === "number" ? 1000 * roundTripS : null,
  };
}

function flow(
  entries: ReadonlyMap<string, Entry>,
  type: string,
  counter: string,
  rate: ByteRate,
): Flow {
  const stream = [...entries.values()].find(
    (entry) => entry.type === type && entry["kind"] === "video",
  );
  if (stream === undefined) return NOTHING;
  const mimeType = entries.get(String(stream["codecId"]))?.["mimeType"];
  const [atMs, bytes] = [stream["timestamp"], stream[counter]];
  return {
    codec: typeof mimeType === "string" ? mimeType.replace(/^video\//i, "") : null,
    bitsPerSecond:
      typeof atMs === "number" && typeof bytes === "number" ? rate.add(atMs, bytes) : null,
  };
}
