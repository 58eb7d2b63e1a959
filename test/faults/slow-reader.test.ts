import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from '../engine/instance.ts';

const BERTH = `${import.meta.dirname}/../../bin/berth`;

const MEGABYTE = 1024 ** 2;
const BLOCK = 64 * MEGABYTE;

/** Read before each pause. */
const BURST = 256 * MEGABYTE;

describe('gigabytes through a reader that falls behind', { timeout: 600_000 }, () => {
  const block = Buffer.from(lines(randomBytes((BLOCK / 4) * 3).toString('base64')));
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
    folder = await mkdtemp('/tmp/berth-block-');
    await writeFile(`${folder}/block`, block);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it.each([
    ['none', 80],
    ['json-file', 16],
  ])('arrive as they were written, with the log driver %s', async (driver, blocks) => {
    const script = `i=0; while [ $i -lt ${blocks} ]; do echo $i; cat /data/block; i=$((i + 1)); done`;
    const options = ['--rm', '--log-driver', driver, '-v', `${folder}:/data:ro`];
    const child = spawn(BERTH, ['run', ...options, 'busybox', 'sh', '-c', script], {
      env: { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const seen = createHash('sha256');
    let length = 0;
    let sinceLastPause = 0;
    for await (const part of child.stdout) {
      seen.update(part);
      length += part.length;
      sinceLastPause += part.length;
      if (sinceLastPause < BURST) continue;
      sinceLastPause = 0;
      await pause(200); // meanwhile the container writes faster than anybody reads
    }
    const wanted = createHash('sha256');
    for (let index = 0; index < blocks; index += 1) wanted.update(`${index}\n`).update(block);
    expect(length).toBeGreaterThan(blocks * BLOCK);
    expect(seen.digest('hex')).toBe(wanted.digest('hex'));
  });
});

/** As output that a log keeps usually is. */
function lines(text: string): string {
  return text.replace(/.{1,100}/g, '$&\n');
}
