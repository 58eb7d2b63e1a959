import { expect, test } from 'vitest';
import { importViolations } from './import-direction.ts';

const reasons = (path: string, source: string) =>
  importViolations(path, source).map((one) => `${one.line}: ${one.reason}`);

test('imports along the direction, by the public face, pass', () => {
  expect(reasons('src/engine/images/pull.ts', "import { x } from '../../store/index.ts';")).toEqual([]);
  expect(reasons('src/engine/pull.ts', "import type { X } from '../registry/contract.ts';")).toEqual([]);
  expect(reasons('src/store/a.ts', "import { b } from './inner/b.ts';\nimport fs from 'node:fs';")).toEqual(
    [],
  );
});

test('an import against the direction is named with its line', () => {
  expect(
    reasons('src/store/a.ts', "import a from 'a';\nimport {\n  b,\n} from '../network/index.ts';"),
  ).toEqual(['4: store may not import network (../network/index.ts)']);
  expect(reasons('src/cli/run.ts', "const e = await import('../engine/index.ts');")).toEqual([
    '1: cli may not import engine (../engine/index.ts)',
  ]);
  expect(reasons('src/base/a.ts', "export * from '../store/index.ts';")).toHaveLength(1);
});

test('an import past a public face is named', () => {
  expect(reasons('src/engine/a.ts', "import '../store/content.ts';")).toEqual([
    '1: ../store/content.ts is inside src/store: import src/store/index.ts or its contract.ts',
  ]);
});

test('a folder without a place in the direction is named', () => {
  expect(reasons('src/misc/a.ts', '')[0]).toMatch(/^1: src\/misc has no place/);
});
