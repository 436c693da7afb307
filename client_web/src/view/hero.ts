import { drawView, loadPhotograph } from "../sources/clips";
import { byId, write } from "./dom";

/** A drawing step on the whole canvas. */
type Effect = (context: CanvasRenderingContext2D, spare: CanvasRenderingContext2D) => void;

interface Scene {
  readonly words: string;
  readonly effect: Effect;
}

const TYPING_S = 1.5;
const WIPE_S = 0.9;
const SCENE_S = 5.5;
const FRAME_MS = 1000 / 30;

function cover(context: CanvasRenderingContext2D, how: GlobalCompositeOperation, colour: string) {
  context.globalCompositeOperation = how;
  context.fillStyle = colour;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.globalCompositeOperation = "source-over";
}

/** Grey, dodged by its own soft negative: what stays are the lines. */
const pencil: Effect = (context, spare) => {
  const { width, height } = context.canvas;
  cover(context, "saturation", "#000");
  // Black cannot be dodged; a little grey keeps large dark areas from breaking up.
  cover(context, "screen", "#303030");
  // Down and up again is a blur that every browser has; canvas filters are missing in some.
  spare.drawImage(context.canvas, 0, 0, spare.canvas.width, spare.canvas.height);
  cover(spare, "difference", "#fff");
  context.globalCompositeOperation = "color-dodge";
  context.drawImage(spare.canvas, 0, 0, width, height);
  context.globalCompositeOperation = "source-over";
  cover(context, "color-burn", "#999");
};

const SCENES: readonly Scene[] = [
  { words: "turn it into a pencil sketch", effect: pencil },
  { words: "bathe it in sunset light", effect: (c) => cover(c, "soft-light", "#ff6a1f") },
  { words: "show the negative", effect: (c) => cover(c, "difference", "#fff") },
  { words: "make it night", effect: (c) => cover(c, "multiply", "#2b3f8c") },
];

function eased(share: number): number {
  const t = Math.min(Math.max(share, 0), 1);
  return t * t * (3 - 2 * t);
}

function scene(index: number): Scene {
  return SCENES[((index % SCENES.length) + SCENES.length) % SCENES.length] as Scene;
}

function drawingOn(width: number, height: number): CanvasRenderingContext2D | null {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d", { alpha: false });
}

/**
 * The picture on the first screen: the demo clip, and words being typed that it then follows.
 *
 * An illustration drawn by the browser alone, and labelled as one; still where the visitor asked for less motion.
 */
export async function playHero(): Promise<void> {
  const context = byId("hero", HTMLCanvasElement).getContext("2d", { alpha: false });
  if (context === null) return;
  const { width, height } = context.canvas;
  const layer = drawingOn(width, height);
  const spare = drawingOn(Math.round(width / 10), Math.round(height / 10));
  if (layer === null || spare === null) return;
  const words = byId("hero-words", HTMLSpanElement);
  // Without it the page lacks an illustration; whoever asks for the demo clip is told.
  const photograph = await loadPhotograph().catch(() => null);
  if (photograph === null) return;

  const edited = (effect: Effect, seconds: number, from: number, to: number) => {
    if (to <= from) return;
    drawView(layer, photograph, seconds);
    effect(layer, spare);
    context.drawImage(layer.canvas, from, 0, to - from, height, from, 0, to - from, height);
  };
  const draw = (seconds: number) => {
    const index = Math.floor(seconds / SCENE_S);
    const into = seconds - index * SCENE_S;
    const { words: text, effect } = scene(index);
    write(words, text.slice(0, Math.ceil(eased(into / TYPING_S) * text.length)));
    const edge = Math.round(width * eased((into - TYPING_S - 0.25) / WIPE_S));
    if (index === 0) drawView(context, photograph, seconds);
    else edited(scene(index - 1).effect, seconds, edge, width);
    edited(effect, seconds, 0, edge);
    if (edge > 0 && edge < width) {
      context.fillStyle = "#ff7a59";
      context.fillRect(edge - 5, 0, 5, height);
      context.fillStyle = "#4fd6d2";
      context.fillRect(edge, 0, 5, height);
    }
  };

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const start = performance.now();
  let drawnAt = 0;
  let frame = 0;
  const next = (now: number) => {
    frame = requestAnimationFrame(next);
    if (now - drawnAt < FRAME_MS - 4) return;
    drawnAt = now;
    draw(still.matches ? TYPING_S + 0.25 + WIPE_S / 2 : (now - start) / 1000);
  };
  const follow = () => {
    cancelAnimationFrame(frame);
    // While live, every drawn frame here would be one less for the video.
    if (document.body.dataset["view"] === "start") frame = requestAnimationFrame(next);
  };
  new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-view"] });
  follow();
}
