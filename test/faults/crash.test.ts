import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CRASH_POINTS, run } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';

let archive: string;
beforeAll(async () => {
  archive = join(await mkdtemp('/tmp/berth-faults-'), 'busybox.tar');
});
afterAll(() => rm(dirname(archive), { recursive: true }));

/** A life from pull to prune; each command may find berthd dead. */
function lifeCommands(): readonly (readonly string[])[] {
  return [
    ['pull', '-q', 'busybox'],
    ['run', '-d', '--name', 'one', '-p', '127.0.0.1::80', 'busybox', 'sleep', '1000'],
    ['run', '--rm', '--name', 'two', 'busybox', 'true'],
    ['exec', 'one', 'true'],
    ['network', 'create', 'second'],
    ['network', 'connect', 'second', 'one'],
    ['network', 'disconnect', 'second', 'one'],
    ['network', 'rm', 'second'],
    ['stop', '-t', '0', 'one'],
    ['rm', 'one'],
    ['save', '-o', archive, 'busybox'],
    ['tag', 'busybox', 'again'],
    ['rmi', 'again'],
    ['rmi', 'busybox'],
    ['load', '-i', archive],
    ['import', archive, 'imported'],
    ['rmi', 'busybox'],
    ['image', 'prune', '-af'], // an import that was cut off may have been done, and is done again
  ];
}

async function live(instance: Instance): Promise<void> {
  for (const command of lifeCommands()) await instance.berth(command);
}

/** The supervisors of this instance that run now. */
async function supervisors(instance: Instance): Promise<number> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line.includes('berth-shim') && line.includes(instance.execRoot)).length;
}

/** What must be true after a crash and a new start. */
async function expectWhole(instance: Instance): Promise<void> {
  const ids = async (...options: string[]) =>
    (await instance.berthOk(['ps', '-q', '--no-trunc', ...options])).split('\n').filter(Boolean).sort();
  await expect.poll(async () => (await ids()).length, { timeout: 10_000 }).toBe(await runningSleeps());
  expect((await containerFolders(instance)).sort()).toEqual(await ids('-a'));
  const left = await ids('-a');
  if (left.length > 0) await instance.berthOk(['rm', '-f', ...left]);
  await expect.poll(() => supervisors(instance), { timeout: 10_000 }).toBe(0);
  expect(await containerFolders(instance)).toEqual([]);
  await instance.berth(['network', 'rm', 'second']);
  for (const command of lifeCommands()) await instance.berthOk(command);
  // What is deleted leaves the disk soon after the answer.
  await expect.poll(() => storedFiles(instance), { timeout: 10_000 }).toEqual([]);
}

/** What the store has on disk: blobs, layers, and what is on its way in or out. */
async function storedFiles({ dataRoot }: Instance): Promise<string[]> {
  const folders = ['blobs/sha256', 'layers', 'tmp'];
  return (await Promise.all(folders.map((folder) => readdir(`${dataRoot}/${folder}`)))).flat();
}

/** There is no folder of them before the first container. */
async function containerFolders(instance: Instance): Promise<string[]> {
  return readdir(`${instance.dataRoot}/containers`).catch(() => []);
}

async function runningSleeps(): Promise<number> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line === 'sleep 1000').length;
}

describe('after a SIGKILL of berthd at a named point, the next start repairs everything:', () => {
  it.each(CRASH_POINTS)('%s', async (point) => {
    await using instance = await startInstance();
    await instance.killDaemon();
    await instance.startDaemon({ BERTH_CRASH_AT: point });
    const died = once(instance.daemon, 'exit');
    await live(instance);
    await died;
    await instance.startDaemon();
    await expectWhole(instance);
  });
});

/** Numbers that a seed decides (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const KILLS = 12;

describe('after a SIGKILL of berthd at any time, the next start repairs everything', () => {
  it(`${KILLS} times`, { timeout: 180_000 }, async () => {
    const seed = Number(process.env.BERTH_SEED ?? Math.floor(Math.random() * 2 ** 31));
    process.stdout.write(`seed ${seed}: BERTH_SEED=${seed} repeats this run\n`);
    const random = randomNumbers(seed);
    await using instance = await startInstance();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const living = live(instance);
      await delay(random() * 1500);
      await instance.killDaemon();
      await living;
      await instance.startDaemon();
      await expectWhole(instance);
    }
  });
});
