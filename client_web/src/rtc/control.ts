import {
  type Ack,
  type ControlRequest,
  type Edits,
  parseControl,
  type Receipt,
  type Recording,
  type StateChange,
  type Warning,
} from "../messages/control";

/** The server answered a request with an error. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    readonly detail: string,
    readonly nearest: readonly string[] = [],
  ) {
    super(detail || code);
  }
}

/** The connection was gone before an answer came. */
export class Unanswered extends Error {}

/** Whoever a request can be put to. */
export interface Asker {
  /** @throws Refused with the server's reason, Unanswered where no answer comes any more */
  ask(request: ControlRequest): Promise<Ack>;
}

export type ControlEvent = Receipt | Warning | StateChange | Edits | Recording;

interface Waiting {
  readonly resolve: (ack: Ack) => void;
  readonly reject: (reason: Error) => void;
}

/** What the control channel needs of an RTCDataChannel. */
export interface Channel {
  send(text: string): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  addEventListener(type: "close", listener: () => void): void;
}

/** The ordered channel: requests answered by id, and what the server says unasked. */
export class Control implements Asker {
  private readonly waiting = new Map<string, Waiting>();
  private sent = 0;

  constructor(
    private readonly channel: Channel,
    private readonly heard: (event: ControlEvent) => void,
  ) {
    channel.addEventListener("message", (event) => this.receive(event.data));
    channel.addEventListener("close", () => this.abandon());
  }

  /**
   * Waits as long as there is a connection: an answer that comes late still says what became of the request.
   *
   * @throws Refused with the server's reason, Unanswered once the connection is gone
   */
  ask(request: ControlRequest): Promise<Ack> {
    this.sent += 1;
    const id = `c${this.sent}`;
    return new Promise<Ack>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      try {
        this.channel.send(JSON.stringify({ v: 1, id, ...request }));
      } catch (error) {
        // A channel that is closing throws InvalidStateError.
        if (!(error instanceof DOMException)) throw error;
        this.settle(id)?.reject(new Unanswered());
      }
    });
  }

  /** The connection is gone. Where the page itself closes it, its channels are told nothing. */
  abandon(): void {
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(new Unanswered());
  }

  receive(raw: unknown): void {
    const message = parseControl(raw);
    if (message === null) return;
    switch (message.type) {
      case "ack":
        this.settle(message.id)?.resolve(message);
        return;
      case "error":
        if (message.id !== null) {
          this.settle(message.id)?.reject(
            new Refused(message.code, message.detail, message.nearest),
          );
        }
        return;
      default:
        this.heard(message);
    }
  }

  private settle(id: string): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }
}
