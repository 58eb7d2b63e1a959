import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CRASH_POINTS, run } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { compareWithRecords, NO_DIFFERENCES } from './data-root.ts';
import { DOCKERFILE, OPERATIONS } from './operations.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp('/tmp/berth-crash-');
  await writeFile(`${folder}/Dockerfile`, DOCKERFILE);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(`${folder}.tar`, { force: true });
});

/** Runs commands in turn, whether they find berthd alive or not. */
async function attempt(instance: Instance, commands: readonly (readonly string[])[]): Promise<void> {
  for (const command of commands) await instance.berth(inPlace(command));
}

async function succeed(instance: Instance, commands: readonly (readonly string[])[]): Promise<void> {
  for (const command of commands) await instance.berthOk(inPlace(command));
}

function inPlace(command: readonly string[]): string[] {
  return command.map((word) => word.replace('DOCKERFILES', folder).replace('ARCHIVE', `${folder}.tar`));
}

/** What must be true after a crash and a new start: no file is leaked, none is missing, no process is forgotten. */
async function expectRepaired(instance: Instance): Promise<void> {
  expect(await compareWithRecords(instance.dataRoot)).toEqual(NO_DIFFERENCES);
  const sleeps = () => countProcesses((args) => args === 'sleep 1000');
  await expect
    .poll(async () => (await lines(instance, 'ps', '-q')).length, { timeout: 10_000 })
    .toBe(await sleeps());
}

/** Takes away all that a user sees; then nothing may be left that a user does not see. */
async function expectNothingLeft(instance: Instance): Promise<void> {
  const containers = await lines(instance, 'ps', '-aq');
  if (containers.length > 0) await instance.berthOk(['rm', '-f', '-v', ...containers]);
  const networks = await lines(instance, 'network', 'ls', '-q', '--filter', 'type=custom');
  if (networks.length > 0) await instance.berthOk(['network', 'rm', ...networks]);
  const images = await lines(instance, 'images', '-q', '--no-trunc');
  if (images.length > 0) await instance.berthOk(['rmi', '-f', ...new Set(images)]);
  await instance.berthOk(['builder', 'prune', '-a', '-f']);
  await instance.berthOk(['image', 'prune', '-a', '-f']); // answers when the space of all that was deleted is free
  expect(await compareWithRecords(instance.dataRoot)).toEqual(NO_DIFFERENCES);
  expect(await readdir(`${instance.dataRoot}/layers`)).toEqual([]);
  expect(await readdir(`${instance.dataRoot}/blobs/sha256`)).toEqual([]);
  await expect
    .poll(() => countProcesses((args) => isSupervisorOf(instance, args)), { timeout: 10_000 })
    .toBe(0);
}

async function lines(instance: Instance, ...args: string[]): Promise<string[]> {
  return (await instance.berthOk(args)).split('\n').filter(Boolean);
}

const isSupervisorOf = ({ execRoot }: Instance, args: string) =>
  args.includes('berth-shim') && args.includes(execRoot);

async function countProcesses(isCounted: (args: string) => boolean): Promise<number> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout.toString().split('\n').filter(isCounted).length;
}

describe.each(Object.entries(OPERATIONS))(
  'after a SIGKILL of berthd in the middle of an operation, the next start repairs everything: %s',
  (_, { before, commands, points }) => {
    let instance: Instance;
    beforeAll(async () => {
      instance = await startInstance();
    });
    afterAll(() => instance[Symbol.asyncDispose]());

    it.each(points)('at %s', async (point) => {
      await succeed(instance, before);
      await instance.killDaemon();
      await instance.startDaemon({ BERTH_CRASH_AT: point });
      const died = once(instance.daemon, 'exit');
      await attempt(instance, commands);
      await died;
      await instance.startDaemon();
      await expectRepaired(instance);
      await expectNothingLeft(instance);
    });

    it('and then it works as before', async () => {
      await succeed(instance, [...before, ...commands]);
      await expectNothingLeft(instance);
    });
  },
);

it('every crash point belongs to an operation', () => {
  const visited = new Set(Object.values(OPERATIONS).flatMap(({ points }) => points));
  expect(CRASH_POINTS.filter((point) => !visited.has(point))).toEqual([]);
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

const KILLS = 50;
/** An operation takes about as long. */
const LONGEST_MILLISECONDS = 700;

describe('after a SIGKILL of berthd at any time, the next start repairs everything', () => {
  it(`${KILLS} times`, { timeout: 600_000 }, async () => {
    const seed = Number(process.env.BERTH_SEED ?? Math.floor(Math.random() * 2 ** 31));
    process.stdout.write(`seed ${seed}: BERTH_SEED=${seed} repeats this run\n`);
    const random = randomNumbers(seed);
    const operations = Object.values(OPERATIONS);
    await using instance = await startInstance();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const operation = operations[Math.floor(random() * operations.length)];
      // What an earlier kill has left makes some of these fail: whatever they do, nothing may leak.
      await attempt(instance, operation?.before ?? []);
      const running = attempt(instance, operation?.commands ?? []);
      await delay(random() * LONGEST_MILLISECONDS);
      await instance.killDaemon();
      await running;
      await instance.startDaemon();
      await expectRepaired(instance);
      const containers = await lines(instance, 'ps', '-aq');
      if (containers.length > 0) await instance.berthOk(['rm', '-f', '-v', ...containers]);
    }
    await expectNothingLeft(instance);
  });
});
