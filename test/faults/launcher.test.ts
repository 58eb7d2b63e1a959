import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { Actor } from './actor.ts';
import { expectNothingLeft } from './image-work.ts';
import { printedSeed, randomNumbers } from './random.ts';
import { lifecycle, moving } from './roles.ts';
import { expectNothingElse, expectTrue } from './storm.ts';

const NATIVE = `${import.meta.dirname}/../../native`;

/** Each crash point of native/launcher, and whether only a launcher that is just starting comes there. */
const POINTS: readonly (readonly [name: string, when: 'start' | 'work'])[] = [
  ['start.mounts', 'start'],
  ['resolver.started', 'start'],
  ['start.listening', 'start'],
  ['network.created', 'work'],
  ['network.released', 'work'],
  ['layer.mounted', 'start'],
  ['child.forked', 'work'],
  ['child.reported', 'work'],
  ['child.reaped', 'work'],
];
/** Comes when an image is removed. */
const UNMOUNTED = 'layer.unmounted';

const KILLS = 50;
/** In this time each client gets several answers. */
const LONGEST_MILLISECONDS = 300;

describe('after a SIGKILL of the launcher, containers go on, new ones start, and nothing leaks', () => {
  const seed = printedSeed('kills of the launcher');
  let instance: Instance;
  let crash: string;
  const actors = [
    ...[lifecycle('one'), lifecycle('two', 'host'), lifecycle('three', 'none')],
    ...[moving('ann', ['base', 'other']), moving('bob', ['base', 'other'])],
  ].map((role) => new Actor(role, seed));
  beforeAll(async () => {
    await runChecked('make', ['-C', NATIVE, 'crashing']);
    const folder = `/tmp/berth-launcher-crash-${process.pid}`;
    crash = folder;
    instance = await startInstance({
      env: { BERTH_NATIVE_DIRECTORY: `${NATIVE}/build/crashing`, BERTH_LAUNCHER_CRASH: crash },
    });
    await instance.berthOk(['pull', '-q', 'busybox']);
    await instance.berthOk(['network', 'create', 'base']);
    await instance.berthOk(['network', 'create', 'other']);
    for (const name of ['left', 'right']) {
      await instance.berthOk(['run', '-d', '--name', name, '--network', 'base', 'busybox', 'sleep', '1000']);
    }
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  it.each(POINTS)('at %s', async (point, when) => {
    const before = await supervisors();
    await writeFile(crash, point);
    if (when === 'start') await killLauncher();
    await actWhile(() => existsSync(crash));
    await expectAllWell();
    expect(await supervisors()).toEqual(before);
  });

  it(`at ${UNMOUNTED}`, async () => {
    await instance.berthOk(['build', '-q', '-t', 'short-lived', '-'], {
      input: 'FROM busybox\nRUN touch /new\n',
    });
    await instance.berthOk(['run', '--rm', 'short-lived', 'true']);
    await writeFile(crash, UNMOUNTED);
    await instance.berth(['rmi', 'short-lived']);
    expect(existsSync(crash)).toBe(false);
    await expectAllWell();
    expect(await instance.berthOk(['images', '-q', 'short-lived'])).toBe('');
  });

  it(`at any moment, ${KILLS} times`, { timeout: 600_000 }, async () => {
    const random = randomNumbers(seed);
    for (let kill = 0; kill < KILLS; kill += 1) {
      let isKilled = false;
      const acting = actWhile(() => !isKilled);
      const killing = (async () => {
        await delay(random() * LONGEST_MILLISECONDS);
        await killLauncher();
        isKilled = true;
      })();
      await Promise.all([acting, killing]);
      await expectAllWell();
    }
  });

  it('and nothing is left when all containers are removed', async () => {
    await expectNothingLeft(instance);
  });

  /** The clients do one thing after another; what needs a launcher that has just been killed may be refused with that reason. */
  const actWhile = (goesOn: () => boolean) =>
    Promise.all(actors.map((actor) => actor.act(instance, { goesOn, tolerated: /launcher/ })));

  async function expectAllWell(): Promise<void> {
    for (const actor of actors) {
      let left = 2;
      await actor.act(instance, { goesOn: () => left-- > 0 });
    }
    expect(
      await instance.berthOk(['run', '--rm', '--network', 'base', 'busybox', 'ping', '-c', '1', 'left']),
    ).toContain('1 packets received');
    expect(await instance.berthOk(['exec', 'right', 'ping', '-c', '1', 'left'])).toContain(
      '1 packets received',
    );
    await expectTrue(instance, actors);
    await expectNothingElse(instance);
  }

  async function killLauncher(): Promise<void> {
    const pid = Number(await readFile(`${instance.execRoot}/l.pid`, 'utf8'));
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // the one before it has been killed already, and there is none yet
    }
    await expect.poll(() => existsSync(`/proc/${pid}/fd/0`)).toBe(false);
  }

  /** Of the two containers that nobody changes. */
  async function supervisors(): Promise<unknown> {
    const states = await Promise.all(
      ['left', 'right'].map((name) =>
        instance.berthOk(['inspect', '-f', '{{.State.Pid}} {{.State.StartedAt}}', name]),
      ),
    );
    return states;
  }
});
