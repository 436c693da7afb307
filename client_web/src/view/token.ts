import { byId } from "./dom";

/** Asks for the server's token. */
export class TokenDialog {
  private readonly dialog = byId("token-dialog", HTMLDialogElement);
  private readonly field = byId("token", HTMLInputElement);

  constructor(take: (token: string) => void) {
    byId("token-form", HTMLFormElement).addEventListener("submit", () => {
      const token = this.field.value.trim();
      this.field.value = "";
      if (token !== "") take(token);
    });
  }

  /** @param wrong whether the server refused the last one */
  open(wrong: boolean): void {
    byId("token-wrong", HTMLParagraphElement).hidden = !wrong;
    if (!this.dialog.open) this.dialog.showModal();
  }
}
