import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Puts a table between the marks of its name in a page (bench/README.md), in the place of the last one. */
export function writeSection(
  name: string,
  text: string,
  file = join(import.meta.dirname, 'README.md'),
): void {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const readme = readFileSync(file, 'utf8');
  const from = readme.indexOf(start);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no place for ${name}`);
  writeFileSync(file, `${readme.slice(0, from)}${start}\n${text}\n\n${readme.slice(to)}`);
}
