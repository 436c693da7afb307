import { byId } from "./dom";

/** Keys that press a button of the page, and its id. */
const BUTTONS: Readonly<Record<string, string>> = {
  p: "freeze",
  b: "bypass",
  r: "record",
  o: "overlay",
  m: "mirror",
  f: "full",
};

export interface Shortcuts {
  compare(): void;
  type(): void;
}

/** Keys that work wherever no text is being typed, as long as the live page shows. */
export function listenToKeys(shortcuts: Shortcuts): void {
  document.addEventListener("keydown", (event) => {
    if (document.body.dataset["view"] !== "live") return;
    if (event.altKey || event.defaultPrevented) return;
    // After a click on a dialog's words the page itself has the keys.
    if (document.querySelector("dialog[open]") !== null) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest("input[type=text], select")) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (key !== "z" && key !== "y") return;
      event.preventDefault();
      press(key === "y" || event.shiftKey ? "redo" : "undo");
      return;
    }
    if (key === "c") {
      shortcuts.compare();
    } else if (key === " ") {
      if (target.closest("button, a, summary, input") !== null) return;
      event.preventDefault();
      shortcuts.compare();
    } else if (key === "/") {
      event.preventDefault();
      shortcuts.type();
    } else {
      const button = BUTTONS[event.key];
      // A key that is held down repeats, and each of these is a switch.
      if (button !== undefined && !event.repeat) press(button);
    }
  });
}

function press(id: string): void {
  byId(id, HTMLButtonElement).click();
}
