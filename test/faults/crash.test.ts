import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CRASH_POINTS } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { Actor } from './actor.ts';
import { expectNothingLeft, type ImageWork, prepareImageWork } from './image-work.ts';
import {
  CLONE_POINTS,
  CONTAINER_POINTS,
  DOWNLOAD_POINTS,
  IMAGE_POINTS,
  MACHINE_IMPORT_POINTS,
  NETWORK_POINTS,
  NEW_DISK_POINTS,
  OPERATIONS,
} from './operations.ts';
import { printedSeed } from './random.ts';
import { lifecycle, moving } from './roles.ts';
import { crashAt, expectNothingElse } from './storm.ts';

describe('after a SIGKILL of berthd in the middle of an operation, the next start repairs everything', () => {
  let instance: Instance;
  let work: ImageWork;
  const seed = printedSeed('crash points');
  beforeAll(async () => {
    work = await prepareImageWork();
    instance = await startInstance();
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await work[Symbol.asyncDispose]();
  });

  describe.each(Object.entries(OPERATIONS))('%s', (_, { before, commands, points }) => {
    it.each(points)('at %s', async (point) => {
      await work.succeed(instance, before);
      await instance.killDaemon();
      await instance.startDaemon({ BERTH_CRASH_AT: point });
      const died = once(instance.daemon, 'exit');
      await work.attempt(instance, commands);
      await died;
      await instance.startDaemon();
      await expectNothingElse(instance);
      await expectNothingLeft(instance);
    });

    it('and then it works as before', async () => {
      await work.succeed(instance, [...before, ...commands]);
      await expectNothingLeft(instance);
    });
  });

  describe('create, start, exec, stop and rm of containers side by side', () => {
    const actors = ['one', 'two', 'three'].map((name) => new Actor(lifecycle(name), seed));
    beforeAll(() => work.succeed(instance, [['pull', '-q', 'busybox']]));

    it.each(CONTAINER_POINTS)('at %s', (point) => crashAt(instance, actors, point));

    it('and then nothing of it is left', () => expectNothingLeft(instance));
  });

  describe('connect, disconnect, start and update of containers side by side', () => {
    const actors = ['ann', 'bob'].map((name) => new Actor(moving(name, ['base', 'other']), seed));
    beforeAll(() =>
      work.succeed(instance, [
        ['pull', '-q', 'busybox'],
        ['network', 'create', 'base'],
        ['network', 'create', 'other'],
      ]),
    );

    it.each(NETWORK_POINTS)('at %s', (point) => crashAt(instance, actors, point));

    it('and then nothing of it is left', () => expectNothingLeft(instance));
  });
});

it('every crash point belongs to an operation', () => {
  const ofImages = Object.values(OPERATIONS).flatMap(({ points }) => points);
  const ofMachines = [
    ...IMAGE_POINTS,
    ...DOWNLOAD_POINTS,
    ...MACHINE_IMPORT_POINTS,
    ...CLONE_POINTS,
    ...NEW_DISK_POINTS,
  ];
  const visited = new Set<string>([...ofImages, ...ofMachines, ...CONTAINER_POINTS, ...NETWORK_POINTS]);
  expect(CRASH_POINTS.filter((point) => !visited.has(point))).toEqual([]);
});
