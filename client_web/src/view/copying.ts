import { byId, write } from "./dom";

const COPIED_MS = 2_000;

/**
 * Put a field's text on the clipboard, or select it for the visitor to copy.
 *
 * @param clipboard undefined where the browser has none for the page, as over plain http from another machine
 * @returns whether it is on the clipboard
 */
export async function copyFrom(
  field: Pick<HTMLInputElement, "value" | "focus" | "select">,
  clipboard: Pick<Clipboard, "writeText"> | undefined,
): Promise<boolean> {
  try {
    if (clipboard !== undefined) {
      await clipboard.writeText(field.value);
      return true;
    }
  } catch (error) {
    // NotAllowedError: the visitor, or a frame around the page, does not let it.
    if (!(error instanceof DOMException)) throw error;
  }
  field.focus();
  field.select();
  return false;
}

/** A text to take along: the field that shows it, and the button that copies it. */
export class Copying {
  private readonly field: HTMLInputElement;
  private readonly button: HTMLButtonElement;
  private readonly word: HTMLSpanElement;
  private timer = 0;

  /**
   * @param name the field's id; its button's is this and "-copy", that of the word on it this and "-word"
   * @param say tells the visitor what became of it
   */
  constructor(
    name: string,
    private readonly say: (words: string) => void,
  ) {
    this.field = byId(name, HTMLInputElement);
    this.button = byId(`${name}-copy`, HTMLButtonElement);
    this.word = byId(`${name}-word`, HTMLSpanElement);
    this.field.addEventListener("focus", () => this.field.select());
    this.button.addEventListener("click", () => void this.copy());
  }

  /** @param text null while there is none */
  show(text: string | null): void {
    // Not `disabled`: the focus would be lost with the connection.
    this.button.setAttribute("aria-disabled", String(text === null));
    // Written over, a selection would be gone.
    if (this.field.value === (text ?? "")) return;
    this.field.value = text ?? "";
    this.rest();
    this.say("");
  }

  rest(): void {
    clearTimeout(this.timer);
    write(this.word, "Copy");
  }

  private async copy(): Promise<void> {
    const text = this.field.value;
    if (text === "") return;
    // Typed as always there, but only secure pages have it.
    const { clipboard } = navigator as { clipboard?: Clipboard };
    const copied = await copyFrom(this.field, clipboard);
    // Meanwhile another text may have come.
    if (this.field.value !== text) return;
    this.rest();
    this.say(copied ? "It is on the clipboard." : "Selected: copy it with Ctrl+C or ⌘C.");
    if (!copied) return;
    write(this.word, "Copied");
    this.timer = window.setTimeout(() => this.rest(), COPIED_MS);
  }
}
