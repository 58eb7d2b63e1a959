import type { BerthError } from '../../base/index.ts';
import type { Origin } from './instructions.ts';
import { wrong } from './wrong.ts';

/** The refusal of a keyword that is none, with the nearest one that is. */
export function unknownInstruction(origin: Origin, keyword: string, known: readonly string[]): BerthError {
  const [nearest] = known
    .map((candidate) => ({ candidate, distance: editDistance(keyword, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  const hint = nearest === undefined ? `Known: ${known.join(', ')}` : `Did you mean ${nearest.candidate}?`;
  return wrong(origin, `unknown instruction: ${keyword}`, hint);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
