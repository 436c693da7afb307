/** A kind of edit the model was taught, as `/v1/models` lists it. */
export interface Family {
  readonly name: string;
  readonly label: string;
  readonly examples: readonly string[];
}

export interface Suggestion {
  readonly text: string;
  readonly label: string;
}

function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** How well `suggestion` answers `typed`; null if some typed word begins no word of it. */
function score(typed: readonly string[], raw: string, suggestion: Suggestion): number | null {
  const own = words(suggestion.text);
  const label = words(suggestion.label);
  let total = suggestion.text.toLowerCase().startsWith(raw) ? 10 : 0;
  for (const word of typed) {
    if (own.includes(word) || label.includes(word)) total += 3;
    else if (own.some((w) => w.startsWith(word)) || label.some((w) => w.startsWith(word)))
      total += 2;
    else return null;
  }
  return total;
}

/** One example per family, in the model's order: what the box offers before anything is typed. */
export function tour(families: readonly Family[]): Suggestion[] {
  return families.flatMap(({ label, examples }) =>
    examples[0] === undefined ? [] : [{ text: examples[0], label }],
  );
}

/**
 * What to offer for `typed`, best first.
 *
 * Every typed word must begin a word of the example or of its family's label; the model's own order breaks ties.
 */
export function suggest(families: readonly Family[], typed: string, limit = 8): Suggestion[] {
  const raw = typed.trim().toLowerCase();
  const typedWords = words(raw);
  if (typedWords.length === 0) return tour(families);
  return families
    .flatMap(({ label, examples }) => examples.map((text) => ({ text, label })))
    .map((suggestion) => ({ suggestion, score: score(typedWords, raw, suggestion) }))
    .filter((entry): entry is { suggestion: Suggestion; score: number } => entry.score !== null)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map((entry) => entry.suggestion);
}
