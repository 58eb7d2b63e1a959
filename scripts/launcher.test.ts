import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../src/base/index.ts';

const project = join(import.meta.dirname, '..');

describe('bin/berth', () => {
  let tree = '';
  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'berth-launcher-'));
    cpSync(join(project, 'bin'), join(tree, 'bin'), { recursive: true, verbatimSymlinks: true });
    symlinkSync(join(project, 'node_modules'), join(tree, 'node_modules'));
    for (const program of ['cli', 'daemon']) {
      mkdirSync(join(tree, 'src', program), { recursive: true });
      const said = `['${program}', process.env.BERTH_ARGV0, ...process.argv.slice(2)]`;
      writeFileSync(join(tree, 'src', program, 'main.ts'), `console.log(JSON.stringify(${said}));\n`);
    }
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  const start = async (file: string, args: readonly string[] = [], cwd = '/'): Promise<unknown> => {
    const { stdout, stderr } = await run(file, args, { cwd });
    return stderr === '' ? JSON.parse(stdout.toString()) : stderr;
  };

  test('works from any folder and hands on its arguments as they are', async () => {
    expect(await start(join(tree, 'bin/berth'), ['a', 'b  c', '$d'])).toEqual([
      'cli',
      'berth',
      'a',
      'b  c',
      '$d',
    ]);
    expect(await start('./berth', [], join(tree, 'bin'))).toEqual(['cli', 'berth']);
  });

  test('tells the name that it was called by', async () => {
    expect(await start(join(tree, 'bin/as-docker/docker'))).toEqual(['cli', 'docker']);
    expect(await start(join(tree, 'bin/as-docker/docker-compose'))).toEqual(['cli', 'docker-compose']);
  });

  test('is the daemon by the name berthd, also through links', async () => {
    symlinkSync('bin/berthd', join(tree, 'relative'));
    symlinkSync(join(tree, 'relative'), join(tree, 'absolute'));
    expect(await start(join(tree, 'absolute'))).toEqual(['daemon', 'absolute']);
  });

  test('takes the bundle where there is one, unless the source is asked for', async () => {
    mkdirSync(join(tree, 'dist/cli'), { recursive: true });
    writeFileSync(join(tree, 'dist/cli/main.js'), 'console.log(JSON.stringify(["bundle"]));\n');
    expect(await start(join(tree, 'bin/berth'))).toEqual(['bundle']);
    const env = { ...process.env, BERTH_FROM_SOURCE: '1' };
    const { stdout } = await run(join(tree, 'bin/berth'), [], { env });
    expect(JSON.parse(stdout.toString())).toEqual(['cli', 'berth']);
  });

  test('says what to run where its Node is missing', async () => {
    rmSync(join(tree, 'node_modules'));
    const { code, stderr } = await run(join(tree, 'bin/berth'), []);
    expect(code).toBe(125);
    expect(stderr).toMatch(/^berth: its Node is missing from .*: run `npm start` or scripts\/setup there\n$/);
  });
});
