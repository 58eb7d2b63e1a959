import { type BerthError, nearestWord } from '../../base/index.ts';
import type { Origin } from './instructions.ts';
import { wrong } from './wrong.ts';

/** The refusal of a keyword that is none, with the nearest one that is. */
export function unknownInstruction(origin: Origin, keyword: string, known: readonly string[]): BerthError {
  const nearest = nearestWord(keyword, known);
  const hint = nearest === undefined ? `Known: ${known.join(', ')}` : `Did you mean ${nearest}?`;
  return wrong(origin, `unknown instruction: ${keyword}`, hint);
}
