import { mkdtemp, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { findDocker } from './find-docker.ts';

/** Asked for by name, as in "unix:///var/run/docker.sock": a socket that lies about may belong to nobody any more. */
const dockerd = process.env.BERTH_TEST_DOCKERD;
const docker = findDocker();
const reason = docker === undefined ? 'no docker CLI on the PATH' : 'BERTH_TEST_DOCKERD names no dockerd';
const canRun = docker !== undefined && dockerd !== undefined;

describe.skipIf(!canRun)(`a dockerd${canRun ? '' : ` (skipped: ${reason})`}`, () => {
  const name = `berth-archives-${process.pid}:1`;
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-dockerd-');
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
    await atDockerd('rmi', '-f', name).catch(() => {}); // where a test that failed has left it
  });

  const atDockerd = async (...args: readonly string[]) =>
    (await runChecked(docker ?? '', ['-H', dockerd ?? '', ...args])).stdout.toString().trim();

  it('takes what berth saves, and berth what that saves: the same image, in the same bytes', async () => {
    const [ours, theirs] = [`${folder}/ours.tar`, `${folder}/theirs.tar`];
    await instance.berthOk(['tag', 'busybox', name]);
    await instance.berthOk(['save', '-o', ours, name]);
    expect(await atDockerd('load', '-i', ours)).toBe(`Loaded image: ${name}`);
    expect(await atDockerd('run', '--rm', '--network', 'none', name, 'echo', 'whole')).toBe('whole');
    await atDockerd('save', '-o', theirs, name);
    await atDockerd('rmi', name);

    const id = await instance.berthOk(['image', 'inspect', '-f', '{{.Id}}', name]);
    await instance.berthOk(['rmi', name, 'busybox']);
    expect(await instance.berthOk(['load', '-i', theirs])).toBe(`Loaded image: ${name}`);
    expect(await instance.berthOk(['image', 'inspect', '-f', '{{.Id}}', name])).toBe(id);
    expect(await instance.berthOk(['run', '--rm', name, 'echo', 'whole'])).toBe('whole');
    const again = `${folder}/again.tar`;
    await instance.berthOk(['save', '-o', again, name]);
    const listing = async (path: string) => (await runChecked('tar', ['-tvf', path])).stdout.toString();
    const withoutIndex = (text: string) => text.split('\n').filter((line) => !line.endsWith('index.json'));
    expect(withoutIndex(await listing(again))).toEqual(withoutIndex(await listing(theirs)));
  });
});
