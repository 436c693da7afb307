import type { SessionAddress } from "../server/api";
import { cameraCommand, isOfThisMachine, SeenAddress } from "../visit/elsewhere";
import { Copying } from "./copying";
import { byId, write } from "./dom";

/** The panel that hands out the edit: an address for OBS, a command for a virtual camera. */
export class ElsewhereView {
  private readonly dialog = byId("elsewhere-dialog", HTMLDialogElement);
  private readonly opener = byId("elsewhere", HTMLButtonElement);
  private readonly address = new Copying("elsewhere-address", (words) => this.say(words));
  private readonly command = new Copying("elsewhere-command", (words) => this.say(words));
  private readonly seen = new SeenAddress();
  private session: SessionAddress | null = null;
  private own = true;

  constructor() {
    this.opener.addEventListener("click", () => this.open());
    byId("elsewhere-close", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => {
      this.seen.looked(this.session?.id ?? null);
      this.settle();
    });
  }

  /** A new visit begins. */
  begin(): void {
    this.seen.forget();
    this.session = null;
    this.dialog.close();
    this.settle();
  }

  /**
   * @param session the present connection's, null without one
   * @param own whether its picture is sent by this page
   */
  show(session: SessionAddress | null, own: boolean): void {
    this.session = session;
    this.own = own;
    this.settle();
  }

  private open(): void {
    this.say("");
    this.address.rest();
    this.command.rest();
    if (!this.dialog.open) this.dialog.showModal();
    this.settle();
  }

  private settle(): void {
    const { session } = this;
    if (this.dialog.open) this.seen.see(session?.id ?? null);
    const outdated = this.seen.isOutdated(session?.id ?? null);
    this.opener.dataset["outdated"] = String(outdated);
    byId("elsewhere-changed", HTMLSpanElement).hidden = !outdated;

    const note = byId("elsewhere-note", HTMLParagraphElement);
    note.dataset["state"] = session === null ? "lost" : outdated ? "changed" : "good";
    write(note, noteWords(session !== null, outdated, this.own));
    write(byId("elsewhere-caution", HTMLParagraphElement), cautionWords(this.own));
    this.address.show(session?.viewUrl.href ?? null);
    this.command.show(session === null ? null : cameraCommand(session));
    byId("elsewhere-local", HTMLParagraphElement).hidden =
      session === null || !isOfThisMachine(session.url.hostname);
  }

  private say(words: string): void {
    write(byId("elsewhere-said", HTMLParagraphElement), words);
  }
}

/** How long what the panel shows is good for. */
export function noteWords(connected: boolean, outdated: boolean, own: boolean): string {
  if (!connected) return "There is no connection now. The next one has a new address, shown here.";
  if (outdated) {
    return "The connection was made anew and has a new address: replace the old one where you use it.";
  }
  if (!own) return "Good until the sender stops. Its next stream has a new address.";
  return "Good until this visit ends. If the connection is lost, the next one has a new address.";
}

/** What somebody else can do with what the panel shows. */
export function cautionWords(own: boolean): string {
  if (own) {
    return "Whoever has either of them sees the edit and your camera's own picture, and can change, record and end this session.";
  }
  return "Both carry the token that you steer with. Whoever has it can do all that it allows: send in the sender's place and, if it is the server's own, use the whole server.";
}
