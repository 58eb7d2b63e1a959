import { BerthError, type ErrorKind } from '../base/index.ts';

/**
 * Why an OCI runtime refused, from its JSON log (crun and runc: one object with `level` and `msg` per line). The
 * message is the runtime's own; `otherwise` is said where it wrote nothing. `not-found`: the program is missing in
 * the image; `invalid`: it is there but cannot be executed; else `internal`.
 */
export function runtimeFailure(otherwise: string, log: string): BerthError {
  const words = lastError(log) ?? otherwise;
  return new BerthError(kindOf(words), words);
}

function lastError(log: string): string | undefined {
  const entries = log.split('\n').flatMap(parseEntry);
  const errors = entries.filter(({ level }) => level !== 'warning' && level !== 'info' && level !== 'debug');
  return errors.at(-1)?.words;
}

function parseEntry(line: string): { level: string; words: string }[] {
  if (line.trim() === '') return [];
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null && 'msg' in entry && typeof entry.msg === 'string') {
      const level = 'level' in entry && typeof entry.level === 'string' ? entry.level : 'error';
      return [{ level, words: entry.msg }];
    }
  } catch {
    // not JSON: a runtime without --log-format, whose line is the message
  }
  return [{ level: 'error', words: line }];
}

function kindOf(words: string): ErrorKind {
  if (/executable file.* not found|no such file or directory/i.test(words)) return 'not-found';
  if (/permission denied|exec format error|is a directory|not a directory/i.test(words)) return 'invalid';
  return 'internal';
}
