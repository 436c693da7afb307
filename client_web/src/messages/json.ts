/**
 * JSON from outside, read field by field: one that is missing or of another type becomes `null`.
 *
 * Whatever comes in is checked here, once; nothing further in looks at raw JSON.
 */

export type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : null;
}

export function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** What `parse` finds in a list; the rest is left out. */
export function listed<T>(value: unknown, parse: (item: unknown) => T | null): T[] {
  return (Array.isArray(value) ? value : []).map(parse).filter((item) => item !== null);
}

/** A message as it came by a data channel; null for what is no JSON object. */
export function parseJson(raw: unknown): Fields | null {
  if (typeof raw !== "string") return null;
  try {
    return fields(JSON.parse(raw));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
