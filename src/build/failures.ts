import { statfs } from 'node:fs/promises';
import { BerthError, isBerthError } from '../base/index.ts';
import type { Origin } from './dockerfile/instructions.ts';
import type { AtLine } from './dockerfile/wrong.ts';

/** The cause of the error of a RUN step whose command failed. */
export interface FailedCommand extends AtLine {
  readonly args: readonly string[];
  readonly exitCode: number;
}

/**
 * A RUN whose command, which wrote to `folder`, ended with another code than 0; `cause` is a {@link FailedCommand}.
 * Programs rarely say that a full disk is the reason, so the hint does.
 */
export async function failedCommand(
  { file, line, text }: Origin,
  args: readonly string[],
  exitCode: number,
  folder: string,
): Promise<BerthError> {
  const cause: FailedCommand = { file, line, args, exitCode };
  const hint = 'The file system of the data root is full: free space there, then build again';
  return new BerthError(
    'invalid',
    `The command '${args.join(' ')}' returned a non-zero code: ${exitCode} (${file}:${line}: ${text})`,
    { cause, ...((await isFull(folder)) ? { hint } : {}) },
  );
}

/** Whether a program that filled it has just ended: what the step itself took may be free again. */
async function isFull(folder: string): Promise<boolean> {
  const { bsize, bavail, files, ffree } = await statfs(folder);
  return bavail * bsize < 1 << 20 || (files > 0 && ffree === 0); // where inodes are not counted, both are 0
}

/** Says where a step failed, unless the error says so already. */
export function located(error: unknown, { file, line, text }: Origin): unknown {
  if (!isBerthError(error) || error.kind === 'cancelled') return error;
  if (error.message.includes(`${file}:${line}`)) return error;
  return new BerthError(error.kind, `${file}:${line}: ${error.message} (line ${line}: ${text})`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: { file, line, cause: error.cause ?? error },
  });
}

/** The same error with the line as its cause: for what happens before anything of the Dockerfile is done. */
export function atLine(error: unknown, { file, line }: AtLine): unknown {
  if (!isBerthError(error) || error.kind === 'cancelled' || lineOf(error) !== undefined) return error;
  return new BerthError(error.kind, error.message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: { file, line, cause: error.cause ?? error },
  });
}

/** The line that an error is about, where its cause tells one. */
export function lineOf(error: unknown): AtLine | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  if (typeof cause !== 'object' || cause === null || !('file' in cause) || !('line' in cause))
    return undefined;
  const { file, line } = cause;
  return typeof file === 'string' && typeof line === 'number' ? { file, line } : undefined;
}

/** The command that an error is about, where its cause tells one. */
export function commandOf(error: unknown): Pick<FailedCommand, 'args' | 'exitCode'> | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  if (typeof cause !== 'object' || cause === null || !('args' in cause) || !('exitCode' in cause))
    return undefined;
  const { args, exitCode } = cause;
  return Array.isArray(args) && typeof exitCode === 'number' ? { args, exitCode } : undefined;
}
