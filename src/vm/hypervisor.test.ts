import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { architectureNamed, hostArchitecture } from './architecture.ts';
import { Hypervisors, librariesIn } from './hypervisor.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hypervisor-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('the libraries are read from what ldd says', () => {
  const text = [
    '\tlinux-vdso.so.1 (0x00007f511e98a000)',
    '\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f511e878000)',
    '\tlibmissing.so.2 => not found',
    '\t/lib64/ld-linux-x86-64.so.2 (0x00007f511e98c000)',
  ].join('\n');
  expect(librariesIn(text)).toEqual(['/lib/x86_64-linux-gnu/libz.so.1', '/lib64/ld-linux-x86-64.so.2']);
});

test('a host without QEMU is told what to install', async () => {
  await expect(new Hypervisors(folder).find()).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'virtual machines need QEMU: qemu-system-x86_64 is not installed',
    hint: 'Install it: apt-get install --no-install-recommends qemu-system-x86',
  });
});

test('a host without the QEMU of another architecture is told what to install for it', async () => {
  const foreign = architectureNamed(hostArchitecture().name === 'arm64' ? 'amd64' : 'arm64');
  const { program, package: debian } = foreign.emulator;
  await expect(new Hypervisors(folder).find(foreign)).rejects.toMatchObject({
    kind: 'unavailable',
    message: `virtual machines for ${foreign.name} need QEMU: ${program} is not installed`,
    hint: `Install it: apt-get install --no-install-recommends ${debian}`,
  });
});

test('a program that is no QEMU is refused', async () => {
  const path = join(folder, 'qemu-system-x86_64');
  await writeFile(path, '#!/bin/sh\necho something else\n');
  await chmod(path, 0o755);
  await expect(new Hypervisors(folder).find()).rejects.toThrow(path);
});

test('the plugin is used where QEMU loads it, and only there', async () => {
  const plugin = '/native/idle-memory.so';
  const found = async (plugins: string) => {
    const path = join(folder, 'qemu-system-x86_64');
    const lines = [
      '#!/bin/sh',
      // Whoever takes a plugin is asked to end by QMP.
      `case "$*" in *-plugin\\ file=${plugin}*) ${plugins} ;; *) echo version 7.2.22 ;; esac`,
    ];
    await writeFile(path, lines.join('\n'));
    await chmod(path, 0o755);
    return (await new Hypervisors(folder, plugin).find()).plugin;
  };
  expect(await found('read line')).toEqual({ hostPath: plugin, name: '/berth/idle-memory.so' });
  expect(await found('echo plugin interface not enabled >&2; exit 1')).toBeUndefined();
});
