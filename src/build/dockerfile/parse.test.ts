import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { asBerthError } from '../../base/index.ts';
import { parseDockerfile } from './parse.ts';

/** A folder is a case: its Dockerfile, and in expected.json what it is parsed to, or the error. */
const testdata = join(import.meta.dirname, 'testdata');

describe('a Dockerfile is parsed, or refused, as its folder says', async () => {
  test.each(await readdir(testdata))('%s', async (name) => {
    const content = await readFile(join(testdata, name, 'Dockerfile'), 'utf8');
    const expected: unknown = JSON.parse(await readFile(join(testdata, name, 'expected.json'), 'utf8'));
    expect(outcome(content)).toEqual(expected);
  });
});

function outcome(content: string): unknown {
  try {
    return parseDockerfile('Dockerfile', content);
  } catch (error) {
    const { kind, message, hint } = asBerthError(error);
    return { error: { kind, message, hint } };
  }
}
