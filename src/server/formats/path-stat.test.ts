import { expect, test } from 'vitest';
import { goMode } from './path-stat.ts';

test("modes are those of Go's fs.FileMode", () => {
  expect(goMode({ type: 'directory', mode: 0o755 })).toBe(2147484141);
  expect(goMode({ type: 'file', mode: 0o4755 })).toBe(2 ** 23 + 0o755);
  expect(goMode({ type: 'symlink', mode: 0o777 })).toBe(2 ** 27 + 0o777);
});
