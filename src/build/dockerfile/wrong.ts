import { type BerthError, invalid, notImplemented } from '../../base/index.ts';
import type { Origin } from './instructions.ts';

/** An `invalid` error that says where. */
export function wrong(
  { file, line }: Pick<Origin, 'file' | 'line'>,
  message: string,
  hint?: string,
): BerthError {
  return invalid(`${file}:${line}: ${message} (line ${line})`, hint === undefined ? {} : { hint });
}

/** A refusal, by name, of something that Docker has, saying where. */
export function notThereYet(
  { file, line }: Pick<Origin, 'file' | 'line'>,
  what: string,
  hint?: string,
): BerthError {
  return notImplemented(
    `${file}:${line}: ${what} not there yet (line ${line})`,
    hint === undefined ? {} : { hint },
  );
}
