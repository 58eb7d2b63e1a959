import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const seed = join(root, 'test/fixtures/seed');

/** Relative path to bytes, for every file below a folder. */
function contents(folder: string): Map<string, string> {
  const files = globSync('**/*', { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length), readFileSync(path, 'latin1')]),
  );
}

test.each(['flask', 'flask-compose'])('examples/%s is the tutorial, byte for byte', (name) => {
  const original = contents(join(seed, name));
  expect(original.size).toBeGreaterThan(0);
  expect(contents(join(root, 'examples', name))).toEqual(original);
});

test('examples/flask-compose-unpinned differs from the tutorial only in the pin', () => {
  const unpinned = [...contents(join(seed, 'flask-compose'))].map(([path, bytes]) => [
    path,
    path.endsWith('/requirements.txt') ? bytes.replace('Flask==2.1.4', 'Flask') : bytes,
  ]);
  expect([...contents(join(root, 'examples/flask-compose-unpinned'))]).toEqual(unpinned);
});
