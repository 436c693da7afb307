/** What a viewer page's address asks for. */

export interface ViewerWishes {
  /** Null for the newest session that was published with the same token. */
  readonly session: string | null;
  readonly token: string | null;
  readonly hud: boolean;
  readonly sound: boolean;
}

/** Read `/view?hud=1#session=…&token=…`; what is in the fragment never leaves the browser. */
export function readViewerAddress(address: URL): ViewerWishes {
  const fragment = new URLSearchParams(address.hash.slice(1));
  const wish = (name: string) => fragment.get(name) ?? address.searchParams.get(name);
  return {
    session: wish("session") || null,
    token: wish("token") || null,
    hud: on(wish("hud")),
    sound: on(wish("sound")),
  };
}

/** Where to watch, beside the page. */
export function whepEndpoint(base: URL, session: string | null): URL {
  return new URL(
    session === null ? "whep" : `v1/sessions/${encodeURIComponent(session)}/whep`,
    base,
  );
}

function on(value: string | null): boolean {
  return value !== null && value !== "0" && value !== "false";
}
