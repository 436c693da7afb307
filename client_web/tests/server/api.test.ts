import { afterEach, expect, it, vi } from "vitest";
import { Api } from "../../src/server/api";
import { Http, Problem, Unreachable } from "../../src/server/http";

const BASE = new URL("http://localhost:8080/");

/** A server that gives one answer, and keeps what it was asked. */
function serverThat(answer: () => Response | Promise<Response>): Request[] {
  const asked: Request[] = [];
  vi.stubGlobal("fetch", (url: URL, request: RequestInit) => {
    asked.push(new Request(url, { ...request, signal: null }));
    return Promise.resolve(answer());
  });
  return asked;
}

function problem(status: number, detail: string, headers: Record<string, string> = {}): Response {
  const body = JSON.stringify({ type: "about:blank", title: "No", status, detail });
  return new Response(body, {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });
}

/** A body that the network did not bring. */
function cutOff(): ReadableStream {
  return new ReadableStream({ start: (body) => body.error(new TypeError("network error")) });
}

afterEach(() => {
  vi.unstubAllGlobals();
});

it("opens a session with the server's token and answers for it with the session's", async () => {
  const asked = serverThat(() =>
    Response.json(
      { id: "a/b", token: "s3", offer_url: "/v1/sessions/a%2Fb/offer", state: "new" },
      { status: 201 },
    ),
  );
  const api = new Api(new Http(BASE, "server"));
  const session = await api.openSession("rfdm-tiny");
  expect(asked[0]?.headers.get("Authorization")).toBe("Bearer server");
  expect(await asked[0]?.json()).toEqual({ model: "rfdm-tiny" });
  expect(session.offerUrl.href).toBe("http://localhost:8080/v1/sessions/a%2Fb/offer");

  await api.offer(session, "v=0\r\n");
  expect(asked[1]?.headers.get("Authorization")).toBe("Bearer s3");
  expect(asked[1]?.headers.get("Content-Type")).toBe("application/sdp");
});

/** What opening a session at this address of the page gives. */
function opened(base: string, answer: Record<string, string>) {
  serverThat(() => Response.json({ id: "s1", token: "t/1", ...answer }, { status: 201 }));
  return new Api(new Http(new URL(base), null)).openSession(null);
}

it("finds a session's addresses beside the page, also below a proxy's path", async () => {
  const answer = {
    offer_url: "/v1/sessions/s1/offer",
    view_url: "/view#session=s1&token=t%2F1",
  };
  const alone = await opened("http://localhost:8080/?source=demo#main", answer);
  expect(alone.viewUrl.href).toBe("http://localhost:8080/view#session=s1&token=t%2F1");

  const below = await opened("https://example.org/afterimage/?source=demo", answer);
  expect(below.viewUrl.href).toBe("https://example.org/afterimage/view#session=s1&token=t%2F1");
  expect(below.url.href).toBe("https://example.org/afterimage/v1/sessions/s1");
  expect(below.offerUrl.href).toBe("https://example.org/afterimage/v1/sessions/s1/offer");
});

it("makes the viewers' address itself where the server names none", async () => {
  const { viewUrl } = await opened("http://localhost:8080/", {});
  expect(viewUrl.href).toBe("http://localhost:8080/view#session=s1&token=t%2F1");
});

it("says when a full server wants to be asked again", async () => {
  serverThat(() => problem(503, "both places are taken", { "Retry-After": "5" }));
  await expect(new Api(new Http(BASE, null)).openSession(null)).rejects.toMatchObject({
    status: 503,
    detail: "both places are taken",
    retryAfterS: 5,
  });
});

it("tells a model that is loading from one that will never load", async () => {
  const api = new Api(new Http(BASE, null));
  serverThat(() => problem(503, "the model is loading", { "Retry-After": "1" }));
  expect(await api.notReady()).toEqual({ warming: true, detail: "the model is loading" });
  serverThat(() => problem(503, "the model could not be loaded: no such file"));
  expect((await api.notReady())?.warming).toBe(false);
  serverThat(() => Response.json({ status: "ok" }));
  expect(await api.notReady()).toBeNull();
});

it("keeps the reason of any other refusal", async () => {
  serverThat(() => problem(401, "a token is needed"));
  await expect(new Api(new Http(BASE, null)).models()).rejects.toEqual(
    new Problem(401, "No", "a token is needed", null),
  );
});

it("takes a token that no header can carry for a wrong one", async () => {
  serverThat(() => Response.json([]));
  await expect(new Api(new Http(BASE, "se\u200bcret")).models()).rejects.toMatchObject({
    status: 401,
  });
});

it("knows a server that is not there from one that answers", async () => {
  const api = new Api(new Http(BASE, null));
  const gone = [
    () => Promise.reject(new TypeError("no connection")),
    () => new Response("Bad gateway", { status: 502 }),
    () => new Response("no available server", { status: 503 }),
    () => new Response("<h1>Log in to the hotel's network</h1>"),
    () => new Response(cutOff()),
  ];
  for (const answer of gone) {
    serverThat(answer);
    await expect(api.models()).rejects.toBeInstanceOf(Unreachable);
  }
});

it("reads families, with a readable name where the label is missing", async () => {
  serverThat(() =>
    Response.json([
      { name: "rfdm-tiny", version: 1, loaded: true, families: [{ name: "pencil_sketch" }, 7] },
      "nonsense",
    ]),
  );
  const [model, ...others] = await new Api(new Http(BASE, null)).models();
  expect(others).toEqual([]);
  expect(model).toMatchObject({ version: "1", loaded: true, device: null });
  expect(model?.families).toEqual([
    { name: "pencil_sketch", label: "pencil sketch", examples: [] },
  ]);
});
