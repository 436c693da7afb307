/** STUN and TURN servers as the server names them: in JSON, or in WHEP's `Link` headers (RFC 9725 section 4.6). */

import { fields, text, texts } from "../messages/json";

/** What is no server is left out. */
export function parseIceServers(value: unknown): RTCIceServer[] {
  const servers: RTCIceServer[] = [];
  for (const item of Array.isArray(value) ? value : []) {
    const server = fields(item);
    const urls = texts(server?.["urls"]);
    if (server === null || urls.length === 0) continue;
    const username = text(server["username"]);
    const credential = text(server["credential"]);
    servers.push({
      urls: [...urls],
      ...(username === null || credential === null ? {} : { username, credential }),
    });
  }
  return servers;
}

const LINK = /<([^>]+)>((?:\s*;\s*[\w-]+="(?:[^"\\]|\\.)*")*)/g;
const PARAMETER = /([\w-]+)="((?:[^"\\]|\\.)*)"/g;

/** @param header the `Link` headers, joined by commas as `Headers.get` gives them */
export function iceServersOf(header: string | null): RTCIceServer[] {
  const servers: RTCIceServer[] = [];
  for (const [, url, rest] of (header ?? "").matchAll(LINK)) {
    const parameters = new Map(
      [...(rest ?? "").matchAll(PARAMETER)].map(([, name, value]) => [
        name,
        (value ?? "").replaceAll(/\\(.)/g, "$1"),
      ]),
    );
    if (url === undefined || parameters.get("rel") !== "ice-server") continue;
    const username = parameters.get("username");
    const credential = parameters.get("credential");
    servers.push({
      urls: [url],
      ...(username === undefined || credential === undefined ? {} : { username, credential }),
    });
  }
  return servers;
}

export function relays(server: RTCIceServer): boolean {
  return [server.urls].flat().some((url) => url.startsWith("turn"));
}
