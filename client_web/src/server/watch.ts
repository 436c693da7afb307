import type { Api, Model, NotReady } from "./api";
import { Problem, Unreachable } from "./http";

const CHECK_EVERY_MS = 1_500;

/** How the server is, as far as was heard of it. */
export type ServerCondition =
  | { readonly kind: "ready"; readonly model: string | null }
  | { readonly kind: "warming" | "model-failed" | "token-needed" | "unreachable" };

export interface ServerWords {
  /** Said while no visit is under way. */
  show(condition: ServerCondition): void;
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
        this.page.show({ kind: "token-needed" });
        this.page.askForToken();
        return;
      }
      if (!(error instanceof Unreachable || error instanceof Problem)) throw error;
      if (!this.page.visited()) this.page.show({ kind: "unreachable" });
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
      this.page.show({ kind: "ready", model: model?.name ?? null });
    } else this.page.show({ kind: notReady.warming ? "warming" : "model-failed" });
  }
}
