import { posix } from 'node:path';

/** The patterns of a .dockerignore in the form in which clients take them: cleaned, relative, exceptions with a "!". */
export function ignorePatterns(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .flatMap((line) => {
      const isException = line.startsWith('!');
      const pattern = isException ? line.slice(1).trim() : line;
      if (pattern === '') return isException ? ['!'] : [];
      const clean = posix
        .normalize(pattern)
        .replace(/(.)\/$/, '$1')
        .replace(/^\/(.)/, '$1');
      return [isException ? `!${clean}` : clean];
    });
}
