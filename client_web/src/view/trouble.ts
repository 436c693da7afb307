import type { Remedy, Trouble, TroubleKind } from "../troubles";
import { byId, create } from "./dom";

const LABELS: Readonly<Record<Exclude<Remedy, "stop">, string>> = {
  camera: "Try the camera again",
  demo: "Play the demo clip",
  file: "Open a video file",
  retry: "Try now",
  token: "Enter the token",
  keep: "Go on as before",
  check: "Check the connection",
};

/** Nothing of these lies on the way to the server. */
const CHECKED_ELSEWHERE: ReadonlySet<TroubleKind> = new Set([
  "file-unplayable",
  "instruction-unfit",
  "no-webrtc",
]);

/** Shows one trouble with a button per remedy, and a countdown while the page tries again by itself. */
export class TroubleBox {
  private shown = "";
  private readonly countdown = create("p", { class: "countdown", "aria-live": "off" });

  constructor(
    private readonly box: HTMLElement,
    private readonly onRemedy: (remedy: Remedy) => void,
  ) {}

  show(trouble: Trouble | null, retryAt: number | null = null): void {
    const focused = this.box.contains(document.activeElement);
    this.write(trouble, retryAt);
    // With its button the focus would be gone as well.
    if (focused && !this.box.contains(document.activeElement)) {
      byId("main", HTMLElement).focus({ preventScroll: true });
    }
  }

  private write(trouble: Trouble | null, retryAt: number | null): void {
    this.box.hidden = trouble === null;
    if (trouble === null) {
      this.shown = "";
      this.box.replaceChildren();
      return;
    }
    // An alert is announced whenever it is rewritten, so only the countdown is touched while it stays.
    const key = trouble.kind + trouble.words;
    if (key !== this.shown) {
      this.shown = key;
      this.box.dataset["kind"] = trouble.kind;
      this.box.replaceChildren(
        create("h2", {}, trouble.title),
        create("p", {}, trouble.words),
        this.countdown,
        create("div", { class: "swap" }, ...offered(trouble).map((remedy) => this.button(remedy))),
      );
      this.box.scrollIntoView({ block: "nearest" });
    }
    // Warming up is asked about every second; counting that down would only flicker.
    this.countdown.hidden = !trouble.retries || trouble.kind === "server-warming";
    this.countdown.textContent = countdownWords(retryAt, performance.now());
  }

  private button(remedy: Remedy): HTMLButtonElement {
    const button = create("button", { type: "button", "data-testid": `remedy-${remedy}` });
    // Who steers another's picture leaves it, and stops nothing.
    button.append(remedy === "stop" ? leaveWord() : LABELS[remedy]);
    button.addEventListener("click", () => this.onRemedy(remedy));
    return button;
  }
}

/** As on the button in the bar on top. */
function leaveWord(): string {
  return byId("leave-word", HTMLSpanElement).textContent;
}

/** Whatever the trouble is, the check may find what is behind it. */
function offered({ kind, remedies }: Trouble): readonly Remedy[] {
  return CHECKED_ELSEWHERE.has(kind) ? remedies : [...remedies, "check"];
}

export function countdownWords(retryAt: number | null, now: number): string {
  if (retryAt === null) return "Trying now…";
  const seconds = Math.ceil((retryAt - now) / 1000);
  return seconds <= 0 ? "Trying now…" : `Trying again in ${seconds} s`;
}
