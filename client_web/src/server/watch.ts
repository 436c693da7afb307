import { showServer } from "../view/server_line";
import type { Api, Model, NotReady } from "./api";
import { Problem, Unreachable } from "./http";

const CHECK_EVERY_MS = 1_500;

export interface ServerWords {
  /** Whether a visit is under way, which then speaks of the server itself. */
  visited(): boolean;
  /** These models are there. */
  learn(models: readonly Model[]): void;
  /** The server wants a token, or another one. */
  askForToken(): void;
}

/** Asks the server how it is, before and between visits, until it is well; the first screen says what was heard. */
export class ServerWatch {
  models: readonly Model[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly api: Api,
    private readonly page: ServerWords,
  ) {}

  async check(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const notReady = await this.api.notReady();
      await this.learn();
      if (!this.page.visited()) this.say(notReady);
      if (notReady === null) return;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        if (this.page.visited()) return;
        showServer("Token needed", "bad");
        this.page.askForToken();
        return;
      }
      if (!(error instanceof Unreachable || error instanceof Problem)) throw error;
      if (!this.page.visited()) showServer("Server does not answer", "bad");
    }
    if (this.page.visited() && this.loaded !== undefined) return;
    this.timer = setTimeout(() => void this.check(), CHECK_EVERY_MS);
  }

  /** Ask which models there are, until one is loaded: only that one says what it was taught. */
  async learn(): Promise<void> {
    if (this.loaded !== undefined) return;
    const first = this.models.length === 0;
    this.models = await this.api.models();
    if (first || this.loaded !== undefined) this.page.learn(this.models);
  }

  private get loaded(): Model | undefined {
    return this.models.find(({ loaded }) => loaded);
  }

  private say(notReady: NotReady | null): void {
    if (notReady === null) {
      const model = this.loaded ?? this.models[0];
      showServer(model === undefined ? "Ready" : `${model.name} is ready`, "good");
    } else if (notReady.warming) showServer("Warming up…", "quiet");
    else showServer("Model not loaded", "bad");
  }
}
