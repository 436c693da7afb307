import { fields, finite, text, texts } from "../messages/json";
import { parseIceServers } from "../rtc/ice";
import { type Http, json, Problem, Unreachable } from "./http";
import type { Family } from "./suggestions";

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

/** A session and how it is reached. */
export interface SessionAddress {
  readonly id: string;
  readonly token: string;
  readonly url: URL;
  /** The page that shows the edit and nothing else, as for OBS's Browser Source; it carries the token. */
  readonly viewUrl: URL;
}

export interface OpenedSession extends SessionAddress {
  readonly offerUrl: URL;
  /** With credentials for this session. */
  readonly iceServers: readonly RTCIceServer[];
  /** Bits a second, of each picture that is sent. */
  readonly maxBitrate: number | null;
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

/** The server's REST interface, as far as the page needs it. */
export class Api {
  constructor(private readonly http: Http) {}

  /** The models the server can run, with what each was taught. */
  models(signal?: AbortSignal): Promise<Model[]> {
    return this.http.list("v1/models", parseModel, signal);
  }

  /** Null when the server is ready, otherwise why not. */
  async notReady(signal?: AbortSignal): Promise<NotReady | null> {
    try {
      await this.http.call("readyz", { signal });
      return null;
    } catch (error) {
      if (!(error instanceof Problem && error.status === 503)) throw error;
      // Only a model that is on its way is worth asking for again.
      return { warming: error.retryAfterS !== null, detail: error.detail || error.title };
    }
  }

  /** @param model one of `models`, or null for the server's own choice; it then edits at its own size */
  async openSession(model: string | null, signal?: AbortSignal): Promise<OpenedSession> {
    const response = await this.http.call("v1/sessions", {
      method: "POST",
      type: "application/json",
      body: JSON.stringify(model === null ? {} : { model }),
      signal,
    });
    const session = fields(await json(response));
    const id = text(session?.["id"]);
    const token = text(session?.["token"]);
    if (session === null || id === null || token === null) throw new Unreachable();
    const address = this.session(id, token);
    return {
      ...address,
      offerUrl: this.beside(
        text(session["offer_url"]) ?? `v1/sessions/${encodeURIComponent(id)}/offer`,
      ),
      viewUrl: this.beside(text(session["view_url"]) ?? address.viewUrl.href),
      iceServers: parseIceServers(session["ice_servers"]),
      maxBitrate: finite(session["max_bitrate_bps"]),
    };
  }

  /** Where a session is that somebody else has opened. */
  session(id: string, token: string): SessionAddress {
    const view = `view#session=${encodeURIComponent(id)}&token=${encodeURIComponent(token)}`;
    return {
      id,
      token,
      url: this.beside(`v1/sessions/${encodeURIComponent(id)}`),
      viewUrl: this.beside(view),
    };
  }

  /** The server names its addresses from its own root, which is where the page is: a proxy may have it below a path. */
  private beside(path: string): URL {
    return new URL(path.replace(/^\/+/, ""), this.http.base);
  }

  async network(signal?: AbortSignal): Promise<Network> {
    const network = fields(await json(await this.http.call("v1/network", { signal })));
    if (network === null) throw new Unreachable();
    return {
      iceServers: parseIceServers(network["ice_servers"]),
      udpPorts: text(network["udp_ports"]),
      codecs: texts(network["codecs"]),
    };
  }

  /** The answer's SDP to an offer of a data channel that echoes; it takes no session's place. */
  async probe(sdp: string, signal?: AbortSignal): Promise<string> {
    const response = await this.http.call("v1/network/probe", {
      method: "POST",
      type: "application/sdp",
      body: sdp,
      signal,
    });
    return response.text();
  }

  /** The answer's SDP. */
  async offer(session: OpenedSession, sdp: string, signal?: AbortSignal): Promise<string> {
    const response = await this.http.call(session.offerUrl, {
      method: "POST",
      type: "application/sdp",
      body: sdp,
      bearer: session.token,
      signal,
    });
    return response.text();
  }

  /** Where a recording's file can be loaded from, by whoever has the address. */
  recordedFile(session: SessionAddress, recordingId: string, name: string): URL {
    const url = new URL(
      `v1/recordings/${encodeURIComponent(recordingId)}/files/${encodeURIComponent(name)}`,
      this.http.base,
    );
    url.searchParams.set("token", session.token);
    return url;
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
}
