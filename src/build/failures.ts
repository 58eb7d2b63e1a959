import { BerthError, isBerthError } from '../base/index.ts';
import type { Origin } from './dockerfile/instructions.ts';

/** The cause of the error of a RUN step whose command failed. */
export interface FailedCommand {
  readonly exitCode: number;
}

/** A RUN whose command ended with another code than 0; `cause` is a {@link FailedCommand}. */
export function failedCommand(
  { file, line, text }: Origin,
  args: readonly string[],
  exitCode: number,
): BerthError {
  const cause: FailedCommand = { exitCode };
  return new BerthError(
    'invalid',
    `The command '${args.join(' ')}' returned a non-zero code: ${exitCode} (${file}:${line}: ${text})`,
    { cause },
  );
}

/** Says where a step failed, unless the error says so already. */
export function located(error: unknown, { file, line, text }: Origin): unknown {
  if (!isBerthError(error) || error.kind === 'cancelled') return error;
  if (error.message.includes(`${file}:${line}`)) return error;
  return new BerthError(error.kind, `${file}:${line}: ${error.message} (line ${line}: ${text})`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error.cause ?? error,
  });
}
