import { type BerthError, type ErrorDetails, invalid, notImplemented } from '../../base/index.ts';

/** The cause of an error that a line of a Dockerfile is the reason of. */
export interface AtLine {
  readonly file: string;
  readonly line: number;
}

/** An `invalid` error that says where; its cause is an {@link AtLine}. */
export function wrong({ file, line }: AtLine, message: string, hint?: string): BerthError {
  return invalid(`${file}:${line}: ${message} (line ${line})`, details({ file, line }, hint));
}

/** A refusal, by name, of something that Docker has, saying where. */
export function notThereYet({ file, line }: AtLine, what: string, hint?: string): BerthError {
  return notImplemented(
    `${file}:${line}: ${what} not there yet (line ${line})`,
    details({ file, line }, hint),
  );
}

function details(cause: AtLine, hint: string | undefined): ErrorDetails {
  return { cause, ...(hint === undefined ? {} : { hint }) };
}
