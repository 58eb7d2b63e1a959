import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/base/index.ts';
import type { Instance } from '../engine/instance.ts';
import { json, tar } from '../fixtures/image-archives.ts';
import { startMachines } from './machines.ts';

/** The architectures that machines have, the host's first. */
const POSSIBLE = process.arch === 'arm64' ? ['arm64', 'amd64'] : ['amd64', 'arm64'];

describe('what virtual machines stand on, and is not there', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startMachines();
    folder = await mkdtemp('/tmp/berth-bad-input-');
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('is an image for a processor that machines have', async () => {
    const layer = await tar([['program', 'of another processor']]);
    const config = json({
      architecture: 's390x',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    });
    const manifest = json([{ Config: 'config.json', RepoTags: ['foreign:latest'], Layers: ['layer.tar'] }]);
    const archive = await tar([
      ['layer.tar', layer],
      ['config.json', config],
      ['manifest.json', manifest],
    ]);
    await writeFile(`${folder}/foreign.tar`, archive);
    await instance.berthOk(['load', '-q', '-i', `${folder}/foreign.tar`]);
    const { code, stderr } = await instance.berth([
      'run',
      '--rm',
      '--isolation',
      'vm',
      'foreign',
      '/program',
    ]);
    expect(code).toBe(125);
    expect(stderr).toContain(`foreign is for s390x, and virtual machines here are ${POSSIBLE.join(' or ')}`);
    expect(stderr).toContain(`Pull it with --platform linux/${POSSIBLE.join(' or linux/')}`);
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
  });

  it('is memory enough to boot in; the least that is promised is', async () => {
    const run = (...options: string[]) =>
      instance.berth(['run', '--rm', '--isolation', 'vm', ...options, 'busybox', 'echo', 'booted']);
    const { code, stderr } = await run('-m', '127m');
    expect(code).toBe(125);
    expect(stderr).toContain('a virtual machine cannot boot with 127MiB of memory: it needs 128MiB');
    expect((await run('-m', '128m')).stdout).toBe('booted\n'); // the least that is promised is enough
  });

  it('is QEMU, and it is said what to install; containers run all the same', async () => {
    await instance.killDaemon();
    await instance.startDaemon({ PATH: await pathWithoutQemu(`${folder}/bin`) });
    const { code, stderr } = await instance.berth(['run', '--rm', '--isolation', 'vm', 'busybox', 'true']);
    expect(code).toBe(125);
    expect(stderr).toMatch(/virtual machines need QEMU: qemu-system-\w+ is not installed/);
    expect(stderr).toMatch(/apt-get install --no-install-recommends qemu-system-\w+/);
    const info = await instance.berthOk(['info']);
    expect(info).toMatch(/Hypervisor: .*is not installed/);
    expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'a container'])).toBe('a container');
    await writeFile(`${folder}/Dockerfile`, 'FROM busybox\nRUN true\n');
    const built = await instance.berth(['build', '--isolation', 'vm', folder]);
    expect(built.code).toBe(1);
    expect(built.stderr).toContain('virtual machines need QEMU');
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
  });
});

/** A PATH on which all of this one's programs are but QEMU's. */
async function pathWithoutQemu(folder: string): Promise<string> {
  await mkdir(folder);
  const seen = new Set<string>();
  for (const from of (process.env.PATH ?? '').split(delimiter)) {
    const names = await readdir(from).catch((): string[] => []);
    for (const name of names) {
      if (seen.has(name) || name.startsWith('qemu-')) continue;
      seen.add(name);
      await symlink(`${from}/${name}`, `${folder}/${name}`);
    }
  }
  return folder;
}
