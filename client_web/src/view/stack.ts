import type { ControlRequest, KeptLayer, Layer } from "../messages/control";
import type { Wanted } from "../visit/wanted";
import { byId, create, focusToType, icon, write } from "./dom";

/** The instructions on the stack, the one applied last at the top as paint lies; each with a switch. */
export class StackView {
  private readonly list = byId("stack", HTMLOListElement);
  private readonly empty = byId("stack-empty", HTMLParagraphElement);
  private layers: readonly Layer[] = [];
  private shown = "";

  /** @param tell resolves to whether the server has taken it */
  constructor(tell: (request: ControlRequest) => Promise<boolean>) {
    this.list.addEventListener("change", (event) => {
      const box = event.target;
      const layer = this.layerOf(box);
      if (layer === undefined || !(box instanceof HTMLInputElement)) return;
      const { instruction_id } = layer;
      void tell({ type: "layer", instruction_id, enabled: box.checked }).then((taken) => {
        // Where it was refused, nothing else turns the switch back; else the stack may be told later than the answer.
        if (!taken) box.checked = this.layerOf(box)?.enabled ?? box.checked;
      });
    });
    this.list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const layer = this.layerOf(button);
      if (layer === undefined) return;
      const { instruction_id } = layer;
      if (button?.dataset["does"] === "remove") void tell({ type: "remove", instruction_id });
      else void tell({ type: "layer", instruction_id, position: this.layers.indexOf(layer) + 1 });
    });
  }

  show({ edits, kept }: Pick<Wanted, "edits" | "kept">): void {
    this.layers = edits?.layers ?? [];
    write(this.empty, emptyWords(edits === null ? kept : []));
    const key = JSON.stringify(this.layers);
    if (key === this.shown) return;
    this.shown = key;
    this.empty.hidden = this.layers.length > 0;
    const focus = focused(this.list);
    const last = this.layers.length - 1;
    this.list.replaceChildren(
      ...this.layers.map((layer, index) => row(layer, index < last)).reverse(),
    );
    if (focus !== null) this.refocus(focus);
  }

  /** Back to where it was, to the next layer where its own is gone, or to the box where another is typed. */
  private refocus({ id, index, does }: Focus): void {
    const rows = [...this.list.querySelectorAll("li")];
    const row = rows.find((one) => one.dataset["id"] === id) ?? rows[index] ?? rows.at(-1);
    const part =
      row?.querySelector(`[data-does=${does}]`) ?? row?.querySelector("[data-does=switch]");
    if (part instanceof HTMLElement) part.focus();
    else focusToType(byId("instruction", HTMLInputElement));
  }

  private layerOf(target: EventTarget | null): Layer | undefined {
    const id = target instanceof Element ? target.closest("li")?.dataset["id"] : undefined;
    return this.layers.find((layer) => layer.instruction_id === id);
  }
}

/** @param kept what waits for a connection */
function emptyWords(kept: readonly KeptLayer[]): string {
  if (kept.length === 0) {
    return "Nothing is applied. What you add on top is listed here, each with its switch.";
  }
  return `Kept for the next connection: ${kept.map(({ text }) => `“${text}”`).join(", ")}.`;
}

function row(layer: Layer, movable: boolean): HTMLLIElement {
  const box = create("input", { type: "checkbox", role: "switch", "data-does": "switch" });
  box.checked = layer.enabled;
  const percent = Math.round(layer.strength * 100);
  const words = create("span", {}, layer.text);
  const named = create("label", {}, box, words, create("small", {}, `${percent} %`));
  return create(
    "li",
    { "data-id": layer.instruction_id, "data-testid": "layer" },
    named,
    movable
      ? tool("up", "#i-up", `Apply “${layer.text}” later`)
      : create("span", { class: "slot" }),
    tool("remove", "#i-leave", `Remove “${layer.text}”`),
  );
}

function tool(does: string, address: string, name: string): HTMLButtonElement {
  return create(
    "button",
    { type: "button", "data-does": does, "aria-label": name, title: name },
    icon(address),
  );
}

/** What has the focus in the list. */
interface Focus {
  readonly id: string | undefined;
  readonly index: number;
  readonly does: string | undefined;
}

function focused(list: HTMLElement): Focus | null {
  const element = document.activeElement;
  const row = element?.closest("li");
  if (!(element instanceof HTMLElement) || !row || !list.contains(row)) return null;
  const index = [...list.children].indexOf(row);
  return { id: row.dataset["id"], index, does: element.dataset["does"] };
}
