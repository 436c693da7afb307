/** Requests to the server beside the page, and the two ways they fail. */

import { fields, listed, text, texts } from "../messages/json";

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
    /** Of an unknown instruction: what the model does know. */
    readonly nearest: readonly string[] = [],
  ) {
    super(detail || title);
  }
}

export interface Request {
  readonly method?: string;
  readonly type?: string;
  readonly body?: string;
  /** In the place of the server's token. */
  readonly bearer?: string;
  readonly signal?: AbortSignal | undefined;
  /** Null for none; ten seconds if left out. */
  readonly timeoutMs?: number | null;
}

const TIMEOUT_MS = 10_000;

/** What is not JSON came from something else than the server: a proxy, a portal that wants a login. */
export async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new Unreachable();
    throw error;
  }
}

export async function problem(response: Response): Promise<Error> {
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  // A proxy whose server is gone answers one of these in its own words, never in problem JSON.
  if (!isJson && [500, 502, 503, 504].includes(response.status)) return new Unreachable();
  const body = isJson ? fields(await response.json().catch(() => null)) : null;
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new Problem(
    response.status,
    text(body?.["title"]) ?? (response.statusText || `Error ${response.status}`),
    text(body?.["detail"]) ?? "",
    Number.isFinite(retryAfter) ? retryAfter : null,
    texts(body?.["nearest"]),
  );
}

/**
 * The headers of a request with this token, or with none.
 *
 * @throws Problem where the server could only refuse
 */
export function authorized(bearer: string | null): Headers {
  try {
    return new Headers(bearer === null ? {} : { Authorization: `Bearer ${bearer}` });
  } catch (error) {
    // What no header can carry (an invisible character that came with a copy) is nobody's token.
    if (error instanceof TypeError) throw new Problem(401, "Unauthorized", "", null);
    throw error;
  }
}

/** Calls the server, with its token. */
export class Http {
  /**
   * @param base the page's own address; the API lives beside it
   * @param token the server's token, null where none was given
   */
  constructor(
    readonly base: URL,
    public token: string | null,
  ) {}

  /** @throws Problem where the server refuses, Unreachable where it does not answer in time */
  async call(path: string | URL, request: Request = {}): Promise<Response> {
    request.signal?.throwIfAborted();
    const headers = authorized(request.bearer ?? this.token);
    if (request.type !== undefined) headers.set("Content-Type", request.type);

    const abort = new AbortController();
    const cancel = () => abort.abort();
    request.signal?.addEventListener("abort", cancel);
    const { timeoutMs = TIMEOUT_MS } = request;
    const timer = timeoutMs === null ? undefined : setTimeout(cancel, timeoutMs);
    try {
      const response = await fetch(new URL(path, this.base), {
        method: request.method ?? "GET",
        headers,
        body: request.body ?? null,
        cache: "no-store",
        signal: abort.signal,
      });
      if (!response.ok) throw await problem(response);
      // The whole of it, within the time limit: a network may go between an answer's head and its body.
      const body = await response.blob();
      return new Response(body.size === 0 ? null : body, response);
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

  /** A list of the things `parse` finds in it; the rest is left out. */
  async list<T>(
    path: string,
    parse: (item: unknown) => T | null,
    signal?: AbortSignal,
  ): Promise<T[]> {
    const list = await json(await this.call(path, { signal }));
    if (!Array.isArray(list)) throw new Unreachable();
    return listed(list, parse);
  }
}
