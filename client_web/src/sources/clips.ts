import { CameraTrouble } from "../troubles";
import { FRAME_RATE, type Size, type Source } from "./camera";

const FRAME_MS = 1000 / FRAME_RATE;

/** What the demo camera looks at: the part of the photograph in view, in shares of its side, and its tilt. */
interface View {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly tilt: number;
}

/**
 * A hand-held shot of a portrait: a slow orbit around the face, a slower zoom, and a little unrest of the hand.
 *
 * @param seconds since the shot began; the orbit repeats after about a minute
 */
export function handHeldView(seconds: number): View {
  const turn = (period: number, phase = 0) => Math.sin((2 * Math.PI * seconds) / period + phase);
  return {
    x: 0.47 + 0.07 * turn(9) + 0.02 * turn(3.7, 1) + 0.0025 * turn(0.83, 2),
    y: 0.34 + 0.045 * turn(11, 0.6) + 0.015 * turn(4.3) + 0.0025 * turn(0.71),
    width: 0.7 + 0.12 * turn(13, 1.2),
    tilt: 0.022 * turn(7, 0.4) + 0.004 * turn(1.1),
  };
}

/** Draw the part of `photograph` that a hand-held camera would see, filling `canvas`. */
export function drawView(
  context: CanvasRenderingContext2D,
  photograph: HTMLImageElement,
  seconds: number,
): void {
  const { width, height } = context.canvas;
  const side = photograph.naturalWidth;
  const view = handHeldView(seconds);
  const aspect = height / width;
  const wide = view.width / Math.max(1, aspect);
  // Keep the corners of the tilted view inside the photograph.
  const tilted = 1.01 * Math.cos(view.tilt) + Math.abs(Math.sin(view.tilt));
  const half = (wide / 2) * tilted;
  const halfTall = half * aspect;
  const x = Math.min(Math.max(view.x, half), 1 - half) * side;
  const y = Math.min(Math.max(view.y, halfTall), 1 - halfTall) * side;
  const scale = width / (wide * side);
  context.setTransform(scale, 0, 0, scale, width / 2, height / 2);
  context.rotate(view.tilt);
  context.drawImage(photograph, -x, -y);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/** @throws CameraTrouble "demo-missing" if it does not come */
export async function loadPhotograph(): Promise<HTMLImageElement> {
  const photograph = new Image();
  photograph.src = new URL("astronaut.webp", document.baseURI).href;
  try {
    await photograph.decode();
  } catch (error) {
    if (error instanceof DOMException) throw new CameraTrouble("demo-missing");
    throw error;
  }
  return photograph;
}

/** Call `draw` thirty times a second, without drifting, until the returned function is called. */
function thirtyTimesASecond(draw: (seconds: number) => void): () => void {
  const start = performance.now();
  let count = 0;
  let timer = 0;
  const next = () => {
    const now = performance.now();
    draw((now - start) / 1000);
    // A late draw (a hidden tab, a busy machine) skips what it missed instead of hurrying after it.
    count = Math.max(count + 1, Math.ceil((now - start + 1) / FRAME_MS));
    timer = window.setTimeout(next, start + count * FRAME_MS - performance.now());
  };
  next();
  return () => clearTimeout(timer);
}

function filmed(
  canvas: HTMLCanvasElement,
  about: { readonly kind: "demo" | "file"; readonly label: string },
  stop: () => void,
): Source {
  const stream = canvas.captureStream(FRAME_RATE);
  const track = stream.getVideoTracks()[0];
  if (track === undefined) throw new CameraTrouble("camera-failed");
  return {
    ...about,
    stream,
    track,
    mirrored: false,
    close: () => {
      stop();
      track.stop();
    },
  };
}

function drawingOn(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d", { alpha: false });
  if (context === null) throw new CameraTrouble("camera-failed", "This browser cannot draw.");
  context.imageSmoothingQuality = "medium";
  return context;
}

/**
 * The built-in clip: a photograph, filmed by a camera that moves. No video file is shipped.
 *
 * @throws CameraTrouble "demo-missing" if the photograph does not come
 */
export async function openDemo(size: Size): Promise<Source> {
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height;
  const context = drawingOn(canvas);
  const photograph = await loadPhotograph();
  const stop = thirtyTimesASecond((seconds) => drawView(context, photograph, seconds));
  return filmed(canvas, { kind: "demo", label: "Demo clip" }, stop);
}

/** The largest even size of the clip's shape that fits in `box`, never larger than the clip. */
export function fitted(clip: Size, box: Size): Size {
  const scale = Math.min(box.width / clip.width, box.height / clip.height, 1);
  const even = (length: number) => Math.max(2, 2 * Math.floor((length * scale) / 2));
  return { width: even(clip.width), height: even(clip.height) };
}

/**
 * A video file in place of a camera: played in a loop, without sound, scaled down to `size`.
 *
 * @throws CameraTrouble "file-unplayable" if this browser cannot play it
 */
export async function openFile(file: File, size: Size): Promise<Source> {
  const url = URL.createObjectURL(file);
  const clip = document.createElement("video");
  clip.muted = true;
  clip.loop = true;
  clip.playsInline = true;
  clip.src = url;
  try {
    await clip.play();
    if (clip.videoWidth === 0) throw new DOMException("no picture", "NotSupportedError");
  } catch (error) {
    URL.revokeObjectURL(url);
    if (error instanceof DOMException) throw new CameraTrouble("file-unplayable", file.name);
    throw error;
  }
  const canvas = document.createElement("canvas");
  const { width, height } = fitted({ width: clip.videoWidth, height: clip.videoHeight }, size);
  canvas.width = width;
  canvas.height = height;
  const context = drawingOn(canvas);
  const stop = thirtyTimesASecond(() => context.drawImage(clip, 0, 0, width, height));
  return filmed(canvas, { kind: "file", label: file.name }, () => {
    stop();
    clip.pause();
    clip.removeAttribute("src");
    URL.revokeObjectURL(url);
  });
}
