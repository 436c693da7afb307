import { CHECKS, type Check, type Finding } from "../check/check";
import { byId, create, icon, onPress, setPressable, write } from "./dom";

const NAMES: Readonly<Record<Check, string>> = {
  camera: "Camera",
  server: "Server",
  udp: "UDP",
  turn: "TURN",
  codec: "Codec",
};

type State = Finding["state"] | "waiting";

/** Told apart without colour: by the sign, and in a word. */
const MARKS: Readonly<Record<State, { readonly sign: string; readonly verdict: string }>> = {
  waiting: { sign: "", verdict: "waiting" },
  running: { sign: "", verdict: "trying" },
  good: { sign: "#i-check", verdict: "works" },
  bad: { sign: "#i-alert", verdict: "needs a fix" },
  idle: { sign: "#i-minus", verdict: "skipped" },
};

/** The panel with the connection check's findings. */
export class CheckView {
  private readonly dialog = byId("check-dialog", HTMLDialogElement);
  private readonly again = byId("check-again", HTMLButtonElement);
  private running: AbortController | null = null;

  /** @param check runs the check, until it is through or given up */
  constructor(
    private readonly check: (
      onFinding: (check: Check, finding: Finding) => void,
      signal: AbortSignal,
    ) => Promise<void>,
  ) {
    onPress(this.again, () => void this.run());
    this.dialog.addEventListener("close", () => this.running?.abort());
    byId("check-close", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
  }

  open(): void {
    if (!this.dialog.open) this.dialog.showModal();
    void this.run();
  }

  private async run(): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const bad = new Set<Check>();
    const rows = new Map(CHECKS.map((check) => [check, row(check)]));
    byId("check-list", HTMLUListElement).replaceChildren(...rows.values());
    setPressable(this.again, false);
    this.dialog.dataset["state"] = "running";
    const summary = byId("check-summary", HTMLParagraphElement);
    write(summary, "Trying what a live edit needs…");
    await this.check((check, finding) => {
      const shown = rows.get(check);
      if (shown !== undefined) show(shown, finding);
      if (finding.state === "bad") bad.add(check);
    }, running.signal);
    if (running.signal.aborted) return;
    setPressable(this.again, true);
    this.dialog.dataset["state"] = bad.size === 0 ? "good" : "bad";
    write(summary, summaryWords(bad));
  }
}

/** What the findings come to; a camera or a direct way can be done without. */
export function summaryWords(bad: ReadonlySet<Check>): string {
  if (bad.size === 0) return "Everything a live edit needs works from here.";
  const named = CHECKS.filter((check) => bad.has(check)).map((check) => NAMES[check]);
  if (bad.size === 1 && bad.has("camera")) {
    return "All works but the camera; the demo clip and video files do without it.";
  }
  if (bad.has("udp") && bad.size === 1) {
    return "There is no direct way, but the relay takes its place.";
  }
  return `This needs a fix: ${named.join(", ")}.`;
}

function row(check: Check): HTMLLIElement {
  const heading = create("h3", {}, NAMES[check], " ", create("small", { class: "verdict" }));
  const item = create(
    "li",
    { "data-testid": `check-${check}` },
    create("span", { class: "mark" }, icon("")),
    create("div", {}, heading, create("p", {})),
  );
  show(item, { state: "waiting", words: "Its turn comes." });
  return item;
}

function show(
  item: HTMLLIElement,
  { state, words }: { readonly state: State; readonly words: string },
): void {
  const { sign, verdict } = MARKS[state];
  item.dataset["state"] = state;
  item.querySelector("use")?.setAttribute("href", sign);
  for (const [part, text] of [
    [".verdict", verdict],
    ["p", words],
  ] as const) {
    const element = item.querySelector(part);
    if (element !== null) write(element, text);
  }
}
