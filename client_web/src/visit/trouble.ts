/** What keeps a visit from going on, in a visitor's words. */

import { ConnectionFailed } from "../rtc/peer";
import { Problem, Unreachable } from "../server/http";
import { describe, type Trouble } from "../troubles";

/** The server answers, but its model is not ready. */
export class Warming extends Error {}

/** The server answers, but will never be ready. */
export class ModelFailed extends Error {}

/** A server answer, a lost connection or a mistake of the page in a visitor's words. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof Warming) return describe("server-warming", sentence(error.message));
  if (error instanceof ModelFailed) return describe("model-failed", sentence(error.message));
  if (error instanceof Unreachable) return describe("server-unreachable");
  // Besides our own: what the browser says about a connection it cannot make.
  if (error instanceof ConnectionFailed || error instanceof DOMException) {
    return describe("connection-failed");
  }
  if (error instanceof Problem) {
    if (error.status === 401) return describe("token-needed");
    if (error.status === 503 || error.status === 429) return describe("server-full");
    if (error.status === 404) return describe("connection-lost");
    return describe("server-refused", sentence(error.detail || error.title));
  }
  return unforeseen(error);
}

/** A mistake of the page; whoever mends it finds more than the visitor is told in the browser's console. */
export function unforeseen(error: unknown): Trouble {
  console.error(error);
  return describe("unforeseen", error instanceof Error ? error.message : String(error));
}

/** The server's details are clauses: "the model is loading". */
export function sentence(clause: string): string {
  const ended = /[.!?…]$/.test(clause) ? clause : `${clause}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}
