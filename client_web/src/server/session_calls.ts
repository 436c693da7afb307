/** A session asked and heard over REST, by whoever has its token and not its data channels. */

import { type Ack, type ControlRequest, parseAck, parseControl } from "../messages/control";
import { type Fields, fields, listed, text } from "../messages/json";
import type { Stats } from "../messages/stats";
import { parseTelemetry } from "../messages/telemetry";
import { type Asker, type ControlEvent, Refused, Unanswered } from "../rtc/control";
import type { SessionAddress } from "./api";
import { type Http, json, Problem, Unreachable } from "./http";

const EVENTS = ["state", "edits", "receipt", "warning", "recording"];

/** The events may be slower than the answers; longer, and somebody else has changed the stack again meanwhile. */
const STACK_TOLD_MS = 1_000;

interface Waiting {
  request: ControlRequest;
  readonly answered: Promise<Ack>;
}

export class SessionCalls implements Asker {
  private readonly events: EventSource;
  private turn: Promise<unknown> = Promise.resolve();
  /** What was asked last, until its turn comes. */
  private last: Waiting | null = null;
  /** The instructions on the stack; the strength is for the one applied last. */
  private stack: readonly string[] = [];
  private stackTold = () => {};
  private recording: string | null = null;
  private readonly closing = new AbortController();

  constructor(
    private readonly http: Http,
    private readonly session: SessionAddress,
    private readonly heard: (event: ControlEvent) => void,
    private readonly told: (stats: Stats) => void,
    lost: () => void,
  ) {
    const address = new URL(`${session.url.href}/events`);
    // An EventSource sends no headers.
    address.searchParams.set("token", session.token);
    this.events = new EventSource(address);
    this.events.addEventListener("error", () => {
      // It comes back by itself but after an answer that is none, as of a proxy that is being restarted.
      if (this.events.readyState === EventSource.CLOSED) lost();
    });
    for (const name of EVENTS) {
      this.events.addEventListener(name, (event) => this.hear(event.data));
    }
    this.events.addEventListener("telemetry", (event) => {
      const message = parseTelemetry(event.data);
      if (message?.type === "stats") this.told(message.stats);
    });
  }

  /**
   * One after the other: calls beside each other may overtake.
   *
   * Answered however late, until `close`, as on the control channel.
   */
  ask(request: ControlRequest): Promise<Ack> {
    // A slider is dragged faster than a network answers; only where it is now is worth a turn.
    if (request.type === "strength" && this.last?.request.type === "strength") {
      this.last.request = request;
      return this.last.answered;
    }
    const last: Waiting = {
      request,
      answered: this.turn.then(async () => {
        if (this.last === last) this.last = null;
        const taken = await this.call(last.request);
        await this.stackIsTold(taken);
        return parseAck(taken, "");
      }),
    };
    this.last = last;
    this.turn = last.answered.catch(() => {});
    return last.answered;
  }

  /** The session is watched no longer: what has no answer yet gets none. */
  close(): void {
    this.events.close();
    this.closing.abort(new Unanswered());
  }

  private hear(raw: unknown): void {
    const message = parseControl(raw);
    if (message === null || message.type === "ack" || message.type === "error") return;
    if (message.type === "recording") {
      this.recording = message.state === "recording" ? message.id : null;
    }
    this.heard(message);
    if (message.type !== "edits") return;
    this.stack = message.layers.map(({ instruction_id }) => instruction_id);
    this.stackTold();
  }

  /** Resolves to what the server answers; null where that is nothing, or there is nothing to ask. */
  private async call(request: ControlRequest): Promise<Fields | null> {
    const { type, ...asked } = request;
    switch (request.type) {
      case "instruction":
        return this.send("POST", "/instructions", asked);
      case "layer": {
        const { instruction_id, type: _, ...change } = request;
        return this.send("PATCH", layer(instruction_id), change);
      }
      case "remove":
        return this.send("DELETE", layer(request.instruction_id));
      case "strength": {
        const top = this.stack.at(-1);
        // With nothing on the stack there is nothing it could be of.
        if (top === undefined) return null;
        return this.send("PATCH", layer(top), { strength: request.value });
      }
      case "undo":
      case "redo":
        return this.send("POST", `/${type}`);
      case "clear":
        return this.send("PUT", "/instructions", { layers: [] });
      case "bypass":
      case "freeze":
        return this.send(
          "PATCH",
          "",
          request.type === "bypass" ? { bypassed: request.bypassed } : { frozen: request.frozen },
        );
      case "preset":
        return this.send("POST", "/preset", asked);
      case "record": {
        const begun = await this.send("POST", "/recordings", asked);
        this.recording = text(begun?.["id"]);
        return begun;
      }
      case "stop_recording":
        if (this.recording === null) return null;
        return this.send("POST", `v1/recordings/${encodeURIComponent(this.recording)}/stop`);
      case "ping":
        return this.send("GET", "");
    }
  }

  /** Until the events tell of it, what is said of the stack, and asked of its top, is without what was taken. */
  private async stackIsTold(taken: Fields | null): Promise<void> {
    // Either the one that is on it now, or all of it.
    const added = text(taken?.["instruction_id"]);
    const layers = taken?.["layers"];
    if (added === null && !Array.isArray(layers)) return;
    const whole = listed(layers, (layer) => text(fields(layer)?.["instruction_id"]));
    const isTold = () =>
      added === null ? String(this.stack) === String(whole) : this.stack.includes(added);
    if (isTold()) return;
    await new Promise<void>((resolve) => {
      this.stackTold = () => {
        if (isTold()) resolve();
      };
      setTimeout(resolve, STACK_TOLD_MS);
      this.closing.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** @param path of the session where it is empty or begins with a slash, else of the server */
  private async send(method: string, path: string, body?: object): Promise<Fields | null> {
    const ofSession = path === "" || path.startsWith("/");
    try {
      const response = await this.http.call(ofSession ? this.session.url.href + path : path, {
        method,
        bearer: this.session.token,
        // A model that is still being loaded answers later than any limit; a connection that is gone closes this.
        timeoutMs: null,
        signal: this.closing.signal,
        ...(body === undefined ? {} : { type: "application/json", body: JSON.stringify(body) }),
      });
      return fields(response.status === 204 ? null : await json(response));
    } catch (error) {
      if (error instanceof Unreachable) throw new Unanswered();
      if (!(error instanceof Problem)) throw error;
      throw new Refused(String(error.status), error.detail || error.title, error.nearest);
    }
  }
}

function layer(instructionId: string): string {
  return `/instructions/${encodeURIComponent(instructionId)}`;
}
