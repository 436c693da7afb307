import type { Size } from "./sources/camera";

/** What the page's address asks for. */
export interface Wanted {
  readonly source: "camera" | "demo" | null;
  readonly instruction: string | null;
  readonly size: Size | null;
  readonly autostart: boolean;
  readonly token: string | null;
  /** The token of a sender whose edit is to be steered. */
  readonly steer: string | null;
}

function length(text: string | null): number | null {
  const value = Number(text);
  return text !== null && Number.isInteger(value) && value >= 16 && value <= 4096 ? value : null;
}

/** Read the address; the token may also stand behind the hash, where no server log sees it. */
export function readAddress(address: URL): Wanted {
  const query = address.searchParams;
  const behindHash = new URLSearchParams(address.hash.slice(1));
  const source = query.get("source");
  const width = length(query.get("width"));
  const height = length(query.get("height"));
  return {
    source: source === "camera" || source === "demo" ? source : null,
    instruction: query.get("instruction"),
    size: width === null || height === null ? null : { width, height },
    autostart: query.get("autostart") === "1",
    token: behindHash.get("token") ?? query.get("token"),
    steer: behindHash.get("steer") || null,
  };
}

/** The page's address that steers what comes with a sender's token, or nothing. */
export function steeringAddress(address: URL, token: string | null): URL {
  const steering = new URL(address);
  steering.hash = token === null ? "" : new URLSearchParams({ steer: token }).toString();
  return steering;
}

/** The same address without the token, to show in the address bar. */
export function withoutToken(address: URL): URL {
  const clean = new URL(address);
  clean.searchParams.delete("token");
  const behindHash = new URLSearchParams(clean.hash.slice(1));
  if (behindHash.has("token")) clean.hash = "";
  return clean;
}
