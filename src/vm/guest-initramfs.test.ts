import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { architectureNamed, hostArchitecture } from './architecture.ts';
import { GuestInitramfses } from './guest-initramfs.ts';
import type { Kernel } from './kernel.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-initramfs-'));
});
afterEach(() => rm(folder, { recursive: true }));

const own = hostArchitecture();
const foreign = architectureNamed(own.name === 'amd64' ? 'arm64' : 'amd64');
const kernel: Kernel = { version: '6', path: '/k', modules: [], transports: [], digest: 'k', origin: 'here' };

async function makePrograms(native: string): Promise<void> {
  await mkdir(native, { recursive: true });
  for (const name of ['berth-guest', 'berth-fs', 'berth-init']) await writeFile(join(native, name), native);
}

test('programs of another architecture are those of its folder', async () => {
  const native = join(folder, 'native');
  const made = new GuestInitramfses(join(folder, 'cache'), native);
  await makePrograms(native);
  await makePrograms(join(native, foreign.triple));
  const [first, second] = [await made.for(kernel), await made.for(kernel, foreign)];
  expect(first.digest).not.toBe(second.digest);
  expect(await made.for(kernel, foreign)).toEqual(second);
});

test('programs that are not built are told with how to build them, and for another architecture with what compiler', async () => {
  const made = new GuestInitramfses(join(folder, 'cache'), join(folder, 'native'));
  await expect(made.for(kernel)).rejects.toMatchObject({
    kind: 'unavailable',
    message: `virtual machines for ${own.name} need ${folder}/native/berth-guest, which does not exist`,
    hint: 'Build it with: make -C native',
  });
  await expect(made.for(kernel, foreign)).rejects.toMatchObject({
    message: `virtual machines for ${foreign.name} need ${folder}/native/${foreign.triple}/berth-guest, which does not exist`,
    hint: `Build it with: make -C native, which needs ${foreign.triple}-gcc: apt-get install --no-install-recommends ${foreign.compilerPackages}`,
  });
});
