import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { findDocker } from '../clients/find-docker.ts';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';

describe('clients ask for virtual machines', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startMachines();
    folder = await mkdtemp('/tmp/berth-clients-');
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const docker = findDocker();
  it.skipIf(docker === undefined)('by docker run --runtime vm', async () => {
    const env = { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` };
    const args = ['run', '--rm', '--runtime', 'vm', 'busybox', 'uname', '-s'];
    const { code, stdout } = await run(docker ?? '', args, { env });
    expect([code, stdout.toString()]).toEqual([0, 'Linux\n']);
  });

  it.skipIf(docker === undefined)('by docker build --isolation vm', async () => {
    const env = { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}`, DOCKER_BUILDKIT: '0' };
    const input = 'FROM busybox\nRUN uname -r >/kernel\n';
    const built = await run(docker ?? '', ['build', '--isolation', 'vm', '-t', 'built', '-'], { env, input });
    expect([built.code, built.stdout.toString()]).toEqual([
      0,
      expect.stringContaining('Successfully tagged built'),
    ]);
    const kernel = await instance.berthOk(['run', '--rm', 'built', 'cat', '/kernel']);
    expect(kernel).not.toBe(release());
  });

  it.each(['isolation', 'runtime'])('by %s: vm in a Compose file', async (key) => {
    const file = `${folder}/${key}.yml`;
    await writeFile(
      file,
      `name: ${key}\nservices:\n  web:\n    image: busybox\n    ${key}: vm\n    mem_limit: 256m\n` +
        `    command: sleep 1000\n    stop_grace_period: 1s\n`,
    );
    await instance.berthOk(['compose', '-f', file, 'up', '-d']);
    const [id = ''] = (await instance.berthOk(['compose', '-f', file, 'ps', '-q'])).split('\n');
    const format = '{{.HostConfig.Isolation}} {{.HostConfig.Runtime}} {{.Berth.VirtualMachine.Memory}}';
    expect(await instance.berthOk(['inspect', '-f', format, id])).toBe(`vm vm ${256 * 1024 ** 2}`);
    expect(await instance.berthOk(['compose', '-f', file, 'exec', '-T', 'web', 'echo', 'inside'])).toBe(
      'inside',
    );
    await instance.berthOk(['compose', '-f', file, 'down']);
  });

  it('and are told by berth info what machines run on, and why', async () => {
    const text = await instance.berthOk(['info']);
    expect(text).toMatch(/Accelerator: (kvm|tcg \(.+\))/);
    expect(text).toMatch(/Hypervisor: QEMU \d/);
    expect(text).toMatch(/Guest Kernel: \d/);
  });
});
