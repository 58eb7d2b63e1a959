import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { CrashPoint } from '../../src/base/index.ts';
import type { Instance } from '../engine/instance.ts';
import { Actor, type Role } from './actor.ts';
import { compareWithRecords, NO_DIFFERENCES } from './data-root.ts';
import { hostDifferences, inspectAll } from './host-state.ts';
import { randomNumbers } from './random.ts';

/**
 * Lets clients act side by side while `strike` kills something and sees to it that berthd serves again. Then what was acknowledged
 * must be true, and the machine must hold what the containers need and nothing else.
 */
export async function actDuring(
  instance: Instance,
  actors: readonly Actor[],
  strike: (acting: Promise<unknown>) => Promise<void>,
  when = '',
): Promise<void> {
  const acting = Promise.all(actors.map((actor) => actor.act(instance)));
  await Promise.all([acting, strike(acting)]);
  await expectTrue(instance, actors, when);
  await expectNothingElse(instance, when);
}

/** In this time each client gets several answers. */
const LONGEST_MILLISECONDS = 400;

/** Kills berthd among what clients do, at moments that the seed decides. */
export async function killAtRandom(
  instance: Instance,
  { seed, kills, roles }: { seed: number; kills: number; roles: readonly Role[] },
): Promise<void> {
  const random = randomNumbers(seed);
  const actors = roles.map((role) => new Actor(role, seed));
  for (let number = 1; number <= kills; number += 1) {
    const strike = async () => {
      await delay(random() * LONGEST_MILLISECONDS);
      await instance.killDaemon();
      await instance.startDaemon();
    };
    await actDuring(instance, actors, strike, `after kill ${number}`);
  }
  const acknowledged = actors.reduce((sum, actor) => sum + actor.acknowledged, 0);
  process.stdout.write(`${kills} kills among ${acknowledged} acknowledged requests\n`);
}

/** Starts berthd so that it ends at a crash point, lets it come there among what clients do, and starts it again. */
export async function crashAt(
  instance: Instance,
  actors: readonly Actor[],
  point: CrashPoint,
): Promise<void> {
  await instance.killDaemon();
  await instance.startDaemon({ BERTH_CRASH_AT: point });
  const died = once(instance.daemon, 'exit');
  const strike = async (acting: Promise<unknown>) => {
    await Promise.race([died, acting]); // a refused request ends the wait
    await acting;
    await instance.startDaemon();
  };
  await actDuring(instance, actors, strike);
}

/** Each client's container is as it was told. */
export async function expectTrue(instance: Instance, actors: readonly Actor[], when = ''): Promise<void> {
  const containers = await inspectAll(instance);
  expect(
    actors.flatMap((actor) => actor.compare(containers) ?? []),
    when,
  ).toEqual([]);
}

/** The machine and the data root hold what the containers need, and nothing else. */
export async function expectNothingElse(instance: Instance, when = ''): Promise<void> {
  await expect.poll(() => hostDifferences(instance), { timeout: 15_000, message: when }).toEqual([]);
  expect(await compareWithRecords(instance.dataRoot), when).toEqual(NO_DIFFERENCES);
}
