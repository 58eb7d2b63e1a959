import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEnvironment } from './environment.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-env-'));
});

afterEach(() => rm(folder, { recursive: true }));

test('takes values from the command line, or from our own environment', async () => {
  const env = { HOME: '/root' };
  expect(await readEnvironment([], ['A=b=c', 'HOME', 'GONE', 'EMPTY='], env)).toEqual([
    'A=b=c',
    'HOME=/root',
    'GONE',
    'EMPTY=',
  ]);
});

test('reads files before options, without comments', async () => {
  const file = join(folder, 'env');
  await writeFile(file, '# note\n\nA=1\n  B=two words \nHOME\nGONE\n');
  expect(await readEnvironment([file], ['C=3'], { HOME: '/root' })).toEqual([
    'A=1',
    'B=two words ',
    'HOME=/root',
    'C=3',
  ]);
});

test('names the file and the line that are wrong', async () => {
  const file = join(folder, 'env');
  await writeFile(file, 'A=1\nB C=2\n');
  await expect(readEnvironment([file], [], {})).rejects.toThrow(`${file}, line 2: the variable name "B C"`);
  await expect(readEnvironment([`${file}x`], [], {})).rejects.toThrow(
    `open ${file}x: no such file or directory`,
  );
  await expect(readEnvironment([], ['=x'], {})).rejects.toThrow('invalid environment variable: =x');
});
