import { showServer } from "../view/server_line";
import type { Api, Model } from "./api";
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
  private timer = 0;

  constructor(
    private readonly api: Api,
    private readonly page: ServerWords,
  ) {}

  async check(): Promise<void> {
    clearTimeout(this.timer);
    try {
      await this.learn();
      const notReady = await this.api.notReady();
      if (this.page.visited()) return;
      if (notReady === null) {
        const model = this.models.find(({ loaded }) => loaded) ?? this.models[0];
        showServer(model === undefined ? "Ready" : `${model.name} is ready`, "good");
        return;
      }
      if (notReady.warming) showServer("Warming up…", "quiet");
      else showServer("Model not loaded", "bad");
    } catch (error) {
      if (this.page.visited()) return;
      if (error instanceof Problem && error.status === 401) {
        showServer("Token needed", "bad");
        this.page.askForToken();
        return;
      }
      if (!(error instanceof Unreachable || error instanceof Problem)) throw error;
      showServer("Server does not answer", "bad");
    }
    this.timer = window.setTimeout(() => void this.check(), CHECK_EVERY_MS);
  }

  /** Ask which models there are, once. */
  async learn(): Promise<void> {
    if (this.models.length > 0) return;
    this.models = await this.api.models();
    this.page.learn(this.models);
  }
}
