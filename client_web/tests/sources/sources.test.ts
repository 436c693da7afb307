import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Source } from "../../src/sources/camera";
import { Sources } from "../../src/sources/sources";
import { CameraTrouble } from "../../src/troubles";
import type { Visit } from "../../src/visit/visit";

const openCamera = vi.hoisted(() => vi.fn());
vi.mock("../../src/sources/camera", async (original) => ({
  ...(await original<object>()),
  openCamera,
}));

class Track extends EventTarget {
  muted = false;
  readyState = "live";

  becomes(event: "ended" | "mute" | "unmute"): void {
    if (event === "ended") this.readyState = event;
    else this.muted = event === "mute";
    this.dispatchEvent(new Event(event));
  }
}

function camera(track = new Track()) {
  const close = vi.fn(() => {
    track.readyState = "ended";
  });
  return { kind: "camera", track, close } as unknown as Source & { close: typeof close };
}

/** A browser that asks whether the page may have the camera. */
function asking(): { opened: Promise<Source>; allow: (source: Source) => void } {
  let allow = (_: Source) => {};
  const opened = new Promise<Source>((resolve) => {
    allow = resolve;
  });
  return { opened, allow };
}

let visit: Visit | null;
let sources: Sources;
const start = {
  instruction: "",
  choice: () => ({ deviceId: null, size: { width: 640, height: 480 } }),
  showTrouble: vi.fn(),
  busy: vi.fn(),
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  openCamera.mockReset();
  visit = null;
  sources = new Sources(start, {
    visit: () => visit,
    enter: (source) => {
      const replaceSource = async (next: Source) => {
        Object.assign(visit ?? {}, { source: next });
      };
      visit = { source, replaceSource } as unknown as Visit;
    },
    changed: () => {},
  });
});

afterEach(() => {
  vi.useRealTimers();
});

it("says that the camera was unplugged, until there is another source", async () => {
  const track = new Track();
  openCamera.mockResolvedValueOnce(camera(track)).mockResolvedValueOnce(camera());
  await sources.begin("camera");
  track.becomes("ended");
  expect(sources.trouble?.kind).toBe("camera-ended");
  expect(sources.trouble?.remedies).toContain("camera");

  await sources.begin("camera");
  expect(sources.trouble).toBeNull();
  // What the old one says now is of no visit any more.
  track.becomes("ended");
  expect(sources.trouble).toBeNull();
});

it("says that the camera sends nothing, for as long as it does", async () => {
  const track = new Track();
  track.muted = true;
  openCamera.mockResolvedValue(camera(track));
  await sources.begin("camera");
  vi.advanceTimersByTime(2_000);
  expect(sources.trouble?.kind).toBe("camera-muted");
  track.becomes("unmute");
  expect(sources.trouble).toBeNull();

  // For a moment only.
  track.becomes("mute");
  vi.advanceTimersByTime(1_000);
  track.becomes("unmute");
  vi.advanceTimersByTime(5_000);
  expect(sources.trouble).toBeNull();

  track.becomes("mute");
  vi.advanceTimersByTime(2_000);
  track.becomes("ended");
  track.becomes("unmute");
  expect(sources.trouble?.kind).toBe("camera-ended");
});

it("closes a camera that opens after another source was asked for", async () => {
  const late = camera();
  const { opened, allow } = asking();
  openCamera.mockReturnValueOnce(opened).mockResolvedValueOnce(camera());
  const first = sources.begin("camera");
  await sources.begin("camera");
  allow(late);
  await first;
  expect(late.close).toHaveBeenCalled();
  expect(visit?.source).not.toBe(late);
});

it("closes a camera that opens after the visit", async () => {
  const late = camera();
  const { opened, allow } = asking();
  openCamera.mockReturnValueOnce(opened);
  const asked = sources.begin("camera");
  sources.leave();
  expect(start.busy).toHaveBeenLastCalledWith(null);
  allow(late);
  await asked;
  expect(late.close).toHaveBeenCalled();
  expect(visit).toBeNull();
});

it("offers to go on with what there is only while there is something", async () => {
  openCamera.mockResolvedValueOnce(camera());
  await sources.begin("camera");
  openCamera.mockRejectedValue(new CameraTrouble("camera-busy"));
  // The old camera is closed before the other is asked for: nothing is left to go on with.
  await sources.begin("camera");
  expect(sources.trouble?.remedies).not.toContain("keep");
});

it("tells of an error that nobody foresaw, and the source can be tried again", async () => {
  const log = vi.spyOn(console, "error").mockReturnValue();
  openCamera.mockRejectedValueOnce(new TypeError("x is not a function"));
  await sources.begin("camera");
  expect(start.showTrouble).toHaveBeenLastCalledWith(
    expect.objectContaining({ kind: "unforeseen", remedies: ["camera", "demo", "file"] }),
  );
  expect(start.busy).toHaveBeenLastCalledWith(null);

  openCamera.mockResolvedValueOnce(camera());
  await sources.begin("camera");
  expect(visit).not.toBeNull();
  // The words of a browser about a picture are none about the connection.
  openCamera.mockRejectedValueOnce(new DOMException("odd", "InvalidStateError"));
  await sources.begin("camera");
  expect(sources.trouble?.kind).toBe("unforeseen");
  expect(log).toHaveBeenCalledTimes(2);
  log.mockRestore();
});
