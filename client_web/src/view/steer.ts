import { byId } from "./dom";

/** Asks whose edit is to be steered, by the token that the sender uses. */
export class SteerDialog {
  private readonly dialog = byId("steer-dialog", HTMLDialogElement);
  private readonly field = byId("steer-token", HTMLInputElement);

  constructor(take: (token: string) => void) {
    byId("steer-form", HTMLFormElement).addEventListener("submit", () => {
      const token = this.field.value.trim();
      if (token === "") return;
      // Closing gives the focus back to the button that opened it, which the live page hides.
      this.dialog.addEventListener("close", () => take(token), { once: true });
    });
    byId("steer-close", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
  }

  open(): void {
    if (!this.dialog.open) this.dialog.showModal();
    this.field.select();
  }
}
