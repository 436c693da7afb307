import { parseIceServers } from "./ice";
import { fields, finite, type Layer, text, texts } from "./messages";
import type { Family } from "./suggestions";

/** The server did not answer at all, or something in between answered for it. */
export class Unreachable extends Error {}

/** The server refused, in RFC 9457 words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** Seconds, from Retry-After; null if not given. */
    readonly retryAfterS: number | null,
  ) {
    super(detail || title);
  }
}

export interface Model {
  readonly name: string;
  readonly version: string | null;
  readonly loaded: boolean;
  readonly device: string | null;
  readonly compiler: string | null;
  readonly precision: string | null;
  readonly steps: number | null;
  readonly families: readonly Family[];
}

export interface OpenedSession {
  readonly id: string;
  readonly token: string;
  readonly offerUrl: URL;
  readonly url: URL;
  /** With credentials for this session. */
  readonly iceServers: readonly RTCIceServer[];
  /** Bits a second, of each picture that is sent. */
  readonly maxBitrate: number | null;
}

export interface Preset {
  readonly id: string;
  readonly name: string;
}

/** What the server says of the way to it. */
export interface Network {
  readonly iceServers: readonly RTCIceServer[];
  /** The range that pictures come in by, as "50000-50100"; null for any port. */
  readonly udpPorts: string | null;
  readonly codecs: readonly string[];
}

export interface NotReady {
  /** Whether it will be; false if the model could not be loaded. */
  readonly warming: boolean;
  readonly detail: string;
}

const TIMEOUT_MS = 10_000;

function parseModel(value: unknown): Model | null {
  const model = fields(value);
  const name = text(model?.["name"]);
  if (model === null || name === null) return null;
  const families: Family[] = [];
  for (const item of Array.isArray(model["families"]) ? model["families"] : []) {
    const family = fields(item);
    const familyName = text(family?.["name"]);
    if (family === null || familyName === null) continue;
    families.push({
      name: familyName,
      label: text(family["label"]) ?? familyName.replaceAll("_", " "),
      examples: texts(family["examples"]),
    });
  }
  const version = model["version"];
  return {
    name,
    version: typeof version === "number" ? String(version) : text(version),
    loaded: model["loaded"] === true,
    device: text(model["device"]),
    compiler: text(model["compiler"]),
    precision: text(model["precision"]),
    steps: finite(model["steps"]),
    families,
  };
}

function parsePreset(value: unknown): Preset | null {
  const preset = fields(value);
  const [id, name] = [text(preset?.["id"]), text(preset?.["name"])];
  return id === null || name === null ? null : { id, name };
}

/** What is not JSON came from something else than the server: a proxy, a portal that wants a login. */
async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new Unreachable();
    throw error;
  }
}

export async function problem(response: Response): Promise<Error> {
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  // A proxy whose server is gone answers 500, 502 or 504 in its own words, never in problem JSON.
  if (!isJson && [500, 502, 504].includes(response.status)) return new Unreachable();
  const body = isJson ? fields(await response.json().catch(() => null)) : null;
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new Problem(
    response.status,
    text(body?.["title"]) ?? (response.statusText || `Error ${response.status}`),
    text(body?.["detail"]) ?? "",
    Number.isFinite(retryAfter) ? retryAfter : null,
  );
}

/** The server's REST interface, as far as the page needs it. */
export class Api {
  /**
   * @param base the page's own address; the API lives beside it
   * @param token the server's token, null where none was given
   */
  constructor(
    private readonly base: URL,
    public token: string | null,
  ) {}

  /** The models the server can run, with what each was taught. */
  async models(signal?: AbortSignal): Promise<Model[]> {
    const response = await this.call("v1/models", { signal });
    const list = await json(response);
    if (!Array.isArray(list)) throw new Unreachable();
    return list.map(parseModel).filter((model) => model !== null);
  }

  /** Null when the server is ready, otherwise why not. */
  async notReady(signal?: AbortSignal): Promise<NotReady | null> {
    try {
      await this.call("readyz", { signal });
      return null;
    } catch (error) {
      if (!(error instanceof Problem && error.status === 503)) throw error;
      // Only a model that is on its way is worth asking for again.
      return { warming: error.retryAfterS !== null, detail: error.detail || error.title };
    }
  }

  /** @param model one of `models`, or null for the server's own choice; it then edits at its own size */
  async openSession(model: string | null, signal?: AbortSignal): Promise<OpenedSession> {
    const response = await this.call("v1/sessions", {
      method: "POST",
      type: "application/json",
      body: JSON.stringify(model === null ? {} : { model }),
      signal,
    });
    const session = fields(await json(response));
    const id = text(session?.["id"]);
    const token = text(session?.["token"]);
    if (session === null || id === null || token === null) throw new Unreachable();
    const path = `v1/sessions/${encodeURIComponent(id)}`;
    return {
      id,
      token,
      offerUrl: new URL(text(session["offer_url"]) ?? `${path}/offer`, this.base),
      url: new URL(path, this.base),
      iceServers: parseIceServers(session["ice_servers"]),
      maxBitrate: finite(session["max_bitrate_bps"]),
    };
  }

  async network(signal?: AbortSignal): Promise<Network> {
    const network = fields(await json(await this.call("v1/network", { signal })));
    if (network === null) throw new Unreachable();
    return {
      iceServers: parseIceServers(network["ice_servers"]),
      udpPorts: text(network["udp_ports"]),
      codecs: texts(network["codecs"]),
    };
  }

  /** The answer's SDP to an offer of a data channel that echoes; it takes no session's place. */
  async probe(sdp: string, signal?: AbortSignal): Promise<string> {
    const response = await this.call("v1/network/probe", {
      method: "POST",
      type: "application/sdp",
      body: sdp,
      signal,
    });
    return response.text();
  }

  /** The answer's SDP. */
  async offer(session: OpenedSession, sdp: string, signal?: AbortSignal): Promise<string> {
    const response = await this.call(session.offerUrl, {
      method: "POST",
      type: "application/sdp",
      body: sdp,
      bearer: session.token,
      signal,
    });
    return response.text();
  }

  /** Where a recording's file can be loaded from, by whoever has the address. */
  recordedFile(session: OpenedSession, recordingId: string, name: string): URL {
    const url = new URL(
      `v1/recordings/${encodeURIComponent(recordingId)}/files/${encodeURIComponent(name)}`,
      this.base,
    );
    url.searchParams.set("token", session.token);
    return url;
  }

  async presets(): Promise<Preset[]> {
    const list = await json(await this.call("v1/presets", {}));
    if (!Array.isArray(list)) throw new Unreachable();
    return list.map(parsePreset).filter((preset) => preset !== null);
  }

  /** Keep these instructions by a name. */
  async savePreset(name: string, layers: readonly Layer[]): Promise<void> {
    const kept = layers.map(({ text, strength, enabled }) => ({ text, strength, enabled }));
    await this.call("v1/presets", {
      method: "POST",
      type: "application/json",
      body: JSON.stringify({ name, layers: kept }),
    });
  }

  async removePreset(id: string): Promise<void> {
    await this.call(`v1/presets/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** All presets as a file. */
  async exportPresets(): Promise<Blob> {
    return (await this.call("v1/presets/export", {})).blob();
  }

  /** Take in a file of presets; those whose names are taken stay as they are. */
  async importPresets(file: string): Promise<void> {
    await this.call("v1/presets/import", { method: "POST", type: "application/json", body: file });
  }

  /** Ends a session; outlives the page (`keepalive`), so it can be called while the page goes away. */
  async closeSession(session: OpenedSession): Promise<void> {
    try {
      await fetch(session.url, {
        method: "DELETE",
        keepalive: true,
        headers: { Authorization: `Bearer ${session.token}` },
      });
    } catch (error) {
      // TypeError: no connection. The server notices by itself that nobody is there.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  private async call(
    path: string | URL,
    request: {
      readonly method?: string;
      readonly type?: string;
      readonly body?: string;
      readonly bearer?: string;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<Response> {
    const headers = new Headers();
    if (request.type !== undefined) headers.set("Content-Type", request.type);
    const bearer = request.bearer ?? this.token;
    if (bearer !== null) headers.set("Authorization", `Bearer ${bearer}`);

    const abort = new AbortController();
    const cancel = () => abort.abort();
    request.signal?.addEventListener("abort", cancel);
    const timer = setTimeout(cancel, TIMEOUT_MS);
    try {
      const response = await fetch(new URL(path, this.base), {
        method: request.method ?? "GET",
        headers,
        body: request.body ?? null,
        cache: "no-store",
        signal: abort.signal,
      });
      if (!response.ok) throw await problem(response);
      return response;
    } catch (error) {
      request.signal?.throwIfAborted();
      // fetch says TypeError for "no connection" and AbortError for our own time limit.
      if (error instanceof TypeError || abort.signal.aborted) throw new Unreachable();
      throw error;
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", cancel);
    }
  }
}
