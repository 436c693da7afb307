/** What the browser keeps for the page: for this tab, or for all visits. */
export type Keeper = "sessionStorage" | "localStorage";

/** Null for what was never kept, and for everything in a browser that is told to keep nothing: there, asking throws. */
export function recall(keeper: Keeper, key: string): string | null {
  return allowed(() => globalThis[keeper].getItem(key));
}

/** Keep it, where the browser may; the page works without. */
export function remember(keeper: Keeper, key: string, value: string): void {
  allowed(() => globalThis[keeper].setItem(key, value));
}

function allowed<T>(ask: () => T): T | null {
  try {
    return ask();
  } catch (error) {
    // SecurityError where site data are blocked, QuotaExceededError where there is no room.
    if (error instanceof DOMException) return null;
    throw error;
  }
}
