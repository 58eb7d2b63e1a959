import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { DOCKERFILE, type Operation } from './operations.ts';
import { expectNothingElse } from './storm.ts';

/** Runs operations with images, with files of its own for builds and archives. */
export interface ImageWork extends AsyncDisposable {
  /** Runs commands in turn, whether they find berthd alive or not. */
  attempt(instance: Instance, commands: Operation['commands']): Promise<void>;
  /** Runs commands in turn, none of which may fail. */
  succeed(instance: Instance, commands: Operation['commands']): Promise<void>;
}

export async function prepareImageWork(): Promise<ImageWork> {
  const folder = await mkdtemp('/tmp/berth-crash-');
  await writeFile(`${folder}/Dockerfile`, DOCKERFILE);
  const inPlace = (command: readonly string[]) =>
    command.map((word) => word.replace('DOCKERFILES', folder).replace('ARCHIVE', `${folder}.tar`));
  return {
    async attempt(instance, commands) {
      for (const command of commands) await instance.berth(inPlace(command));
    },
    async succeed(instance, commands) {
      for (const command of commands) await instance.berthOk(inPlace(command));
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true });
      await rm(`${folder}.tar`, { force: true });
    },
  };
}

/** Takes away all that a user sees; then nothing may be left that a user does not see. */
export async function expectNothingLeft(instance: Instance): Promise<void> {
  const lines = async (...args: string[]) => (await instance.berthOk(args)).split('\n').filter(Boolean);
  const containers = await lines('ps', '-aq');
  if (containers.length > 0) await instance.berthOk(['rm', '-f', '-v', ...containers]);
  const networks = await lines('network', 'ls', '-q', '--filter', 'type=custom');
  if (networks.length > 0) await instance.berthOk(['network', 'rm', ...networks]);
  const images = await lines('images', '-q', '--no-trunc');
  if (images.length > 0) await instance.berthOk(['rmi', '-f', ...new Set(images)]);
  await instance.berthOk(['builder', 'prune', '-a', '-f']);
  await instance.berthOk(['image', 'prune', '-a', '-f']); // answers when the space of all that was deleted is free
  await expectNothingElse(instance);
  expect(await readdir(`${instance.dataRoot}/layers`)).toEqual([]);
  expect(await readdir(`${instance.dataRoot}/blobs/sha256`)).toEqual([]);
}
