import { asBerthError } from '../base/index.ts';
import { refusalOf } from '../client/index.ts';

/** A failure as one text for people; what the engine refused is marked as its words, as Docker does. */
export function failureText(error: unknown): string {
  const text = asBerthError(error).describe();
  return refusalOf(error) === undefined ? text : `Error response from daemon: ${text}`;
}

/** The shell's exit code for a program that the engine could not start: 127 not found, 126 not executable; else undefined. */
export function programFailureCode(message: string): number | undefined {
  if (/executable file not found|no such file or directory/i.test(message)) return 127;
  if (/permission denied|(is|not) a directory|exec format error/i.test(message)) return 126;
  return undefined;
}
