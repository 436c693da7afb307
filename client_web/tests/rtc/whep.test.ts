import { afterEach, expect, it, vi } from "vitest";
import { watch } from "../../src/rtc/whep";
import { Problem, Unreachable } from "../../src/server/http";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("gives a server up that does not answer in time", async () => {
  const limit = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(limit.signal);
  vi.stubGlobal("fetch", (_: URL, { signal }: RequestInit) => {
    const silence = new Promise((_answer, give) =>
      signal?.addEventListener("abort", () => give(signal.reason)),
    );
    limit.abort(new DOMException("timed out", "TimeoutError"));
    return signal ? silence : Promise.reject(new Error("nothing limits the time"));
  });
  await expect(watch(new URL("http://localhost/whep"), null)).rejects.toBeInstanceOf(Unreachable);
  expect(AbortSignal.timeout).toHaveBeenCalledWith(10_000);
});

it("takes a token that no header can carry for a refused one", async () => {
  const asked = vi.fn();
  vi.stubGlobal("fetch", asked);
  const refused = watch(new URL("http://localhost/whep"), "obs\u200b");
  await expect(refused).rejects.toEqual(new Problem(401, "Unauthorized", "", null));
  expect(asked).not.toHaveBeenCalled();
});
