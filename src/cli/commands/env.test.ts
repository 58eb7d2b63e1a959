import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../../base/index.ts';
import { shellLines } from './env.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth env-'));
  await mkdir(join(root, 'bin/as-docker'), { recursive: true });
  await writeFile(join(root, 'bin/berth'), '#!/bin/sh\necho berth as "${0##*/}"\n');
  await chmod(join(root, 'bin/berth'), 0o755);
  for (const name of ['docker', 'docker-compose'])
    await symlink('../berth', join(root, 'bin/as-docker', name));
});

afterEach(() => rm(root, { recursive: true }));

/** What a POSIX shell says after it has evaluated the lines. */
async function afterEval(env: NodeJS.ProcessEnv, command: string): Promise<string> {
  const script = `eval "$LINES_OF_ENV"; ${command}`;
  const result = await run('/bin/sh', ['-c', script], {
    env: { ...env, LINES_OF_ENV: shellLines(env, root) },
  });
  return result.stdout.toString().trim();
}

test('gives a machine without docker ours, and the address of the engine', async () => {
  const env = { PATH: `${root}/none` };
  expect(await afterEval(env, 'docker; docker-compose; echo $DOCKER_HOST')).toBe(
    'berth as docker\nberth as docker-compose\nunix:///run/berth/berth.sock',
  );
});

test("leaves a machine's own docker first, and adds only what it lacks", async () => {
  await mkdir(join(root, 'own'));
  await writeFile(join(root, 'own/docker'), '#!/bin/sh\necho own docker\n', { mode: 0o755 });
  expect(await afterEval({ PATH: `${root}/own` }, 'docker; docker-compose')).toBe(
    'own docker\nberth as docker-compose',
  );
});

test('says nothing about a PATH that has both, or ours already', async () => {
  const lines = 'export DOCKER_HOST=unix:///run/berth/berth.sock\n';
  expect(shellLines({ PATH: `${root}/none:${root}/bin/as-docker` }, root)).toBe(lines);
});
