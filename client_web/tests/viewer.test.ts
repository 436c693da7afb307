import { expect, it, vi } from "vitest";
import { parseStats } from "../src/messages/stats";
import { hudWords } from "../src/view/hud";
import { readViewerAddress, whepEndpoint } from "../src/viewer/address";
import { startToPlay } from "../src/viewer/playing";

const read = (tail: string) => readViewerAddress(new URL(`http://localhost/${tail}`));

it("reads session and token from behind the hash or from the query", () => {
  const asked = { session: "s-1", token: "t o", hud: true, sound: false };
  expect(read("view?hud=1#session=s-1&token=t%20o")).toEqual(asked);
  expect(read("view?session=s-1&token=t+o&hud")).toEqual(asked);
});

it("shows the newest session, without telemetry and sound, where nothing else is asked for", () => {
  expect(read("view")).toEqual({ session: null, token: null, hud: false, sound: false });
  expect(read("view?hud=0&sound=1")).toEqual({
    session: null,
    token: null,
    hud: false,
    sound: true,
  });
});

it("finds the endpoint beside the page, also behind a proxy's path", () => {
  const base = new URL("https://example.org/afterimage/");
  expect(whepEndpoint(base, null).href).toBe("https://example.org/afterimage/whep");
  expect(whepEndpoint(base, "a/b").href).toBe(
    "https://example.org/afterimage/v1/sessions/a%2Fb/whep",
  );
});

it("shows a dash for what was not measured", () => {
  expect(hudWords(null, 0, 0).split("\n")[0]).toBe("– → – fps");
  const stats = parseStats({
    fps: { in: 29.9, out: 30 },
    size: { in: [640, 480], edit: [336, 256] },
    stages_ms: {},
  });
  expect(hudWords(stats, 640, 480)).toContain(
    "30 → 30 fps\n640 × 480 → 336 × 256 → 640 × 480\nserver – ms",
  );
});

it.each([
  ["NotAllowedError", true, 2],
  // Taken away again before its first picture.
  ["AbortError", false, 1],
])(
  "plays without sound only where sound is what the browser refuses: %s",
  async (name, muted, played) => {
    const play = vi.fn().mockRejectedValue(new DOMException("no", name));
    const video = { muted: false, play };
    startToPlay(video);
    await vi.waitFor(() => expect(play).toHaveBeenCalledTimes(played));
    await new Promise((resolve) => setTimeout(resolve));
    expect(video.muted).toBe(muted);
  },
);
