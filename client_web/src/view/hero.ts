import { drawView, loadPhotograph } from "../sources/clips";
import SCENES from "../stills/scenes.json";
import { byId, write } from "./dom";

/** What `python -m benchmarks.stills` has made of the demo clip's photograph. */
const STILLS = import.meta.glob<string>("../stills/*.webp", {
  eager: true,
  query: "?url",
  import: "default",
});

interface Scene {
  readonly words: string;
  readonly edit: HTMLImageElement;
}

const TYPING_S = 1.5;
const WIPE_S = 0.9;
const SCENE_S = 5.5;
const FRAME_MS = 1000 / 30;

function eased(share: number): number {
  const t = Math.min(Math.max(share, 0), 1);
  return t * t * (3 - 2 * t);
}

/** The scenes whose stills have come, in their order. */
async function loadScenes(): Promise<Scene[]> {
  const scenes = SCENES.map(async ({ words, still }): Promise<Scene[]> => {
    const edit = new Image();
    edit.src = STILLS[`../stills/${still}.webp`] ?? "";
    return edit.decode().then(
      () => [{ words, edit }],
      () => [],
    );
  });
  return (await Promise.all(scenes)).flat();
}

/**
 * The picture on the first screen: the demo clip, and words being typed that it then follows.
 *
 * Every edit is the embedded model's own, made beforehand; still where the visitor asked for less motion.
 */
export async function playHero(): Promise<void> {
  const context = byId("hero", HTMLCanvasElement).getContext("2d", { alpha: false });
  if (context === null) return;
  const { width, height } = context.canvas;
  const words = byId("hero-words", HTMLSpanElement);
  // Without it the page lacks an illustration; whoever asks for the demo clip is told.
  const photograph = await loadPhotograph().catch(() => null);
  if (photograph === null) return;
  drawView(context, photograph, 0);
  const scenes = await loadScenes();
  if (scenes.length === 0) return;

  /** Between these columns of the canvas. */
  const drawPart = (picture: HTMLImageElement, seconds: number, from: number, to: number) => {
    if (to <= from) return;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, height);
    context.clip();
    drawView(context, picture, seconds);
    context.restore();
  };
  const draw = (seconds: number) => {
    const count = Math.floor(seconds / SCENE_S);
    const into = seconds - count * SCENE_S;
    const { words: text, edit } = scenes[count % scenes.length] as Scene;
    const before = count === 0 ? undefined : scenes[(count - 1) % scenes.length];
    write(words, text.slice(0, Math.ceil(eased(into / TYPING_S) * text.length)));
    const edge = Math.round(width * eased((into - TYPING_S - 0.25) / WIPE_S));
    drawPart(edit, seconds, 0, edge);
    drawPart(before?.edit ?? photograph, seconds, edge, width);
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
    // A frame's own time may be a little before now.
    const seconds = Math.max(0, now - start) / 1000;
    draw(still.matches ? TYPING_S + 0.25 + WIPE_S / 2 : seconds);
  };
  const follow = () => {
    cancelAnimationFrame(frame);
    // While live, every drawn frame here would be one less for the video.
    if (document.body.dataset["view"] === "start") frame = requestAnimationFrame(next);
  };
  new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-view"] });
  follow();
}
