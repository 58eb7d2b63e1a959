import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findUefi, parseDescription, provideVariables, requireMicrovmBios } from './firmware.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'firmware-'));
  for (const name of ['code', 'variables', 'other']) await writeFile(join(folder, name), name);
});
afterEach(() => rm(folder, { recursive: true }));

/** As OVMF's, with `changes`. */
function description(changes: Record<string, unknown> = {}, code = 'code'): string {
  return JSON.stringify({
    'interface-types': ['uefi'],
    mapping: {
      device: 'flash',
      executable: { filename: join(folder, code), format: 'raw' },
      'nvram-template': { filename: join(folder, 'variables'), format: 'raw' },
    },
    targets: [{ architecture: 'x86_64', machines: ['pc-i440fx-*', 'pc-q35-*'] }],
    features: ['acpi-s3'],
    ...changes,
  });
}

async function install(under: string, files: Record<string, string>): Promise<string> {
  const path = join(folder, under);
  await mkdir(path);
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

test('a host without UEFI is told what to install', async () => {
  await expect(findUefi([join(folder, 'nothing')])).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'there is no UEFI firmware for virtual machines',
    hint: 'Install it: apt-get install --no-install-recommends ovmf, or use --firmware bios',
  });
});

test('a host without a BIOS for microvm is told what to install', async () => {
  await expect(requireMicrovmBios(join(folder, 'nothing'))).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'there is no BIOS for machines of the type microvm',
  });
  await requireMicrovmBios(join(folder, 'code'));
});

test('the first UEFI that fits is taken, the host’s own descriptions first', async () => {
  const own = await install('own', { '60-plain.json': '{}', '70-own.json': description({}, 'other') });
  const distribution = await install('distribution', {
    '40-secure.json': description({ features: ['requires-smm'] }),
    '50-gone.json': description({}, 'gone'),
    '60-plain.json': description(),
    '80-last.json': description(),
    README: 'no description',
  });
  expect(await findUefi([own, distribution])).toEqual({
    code: join(folder, 'other'),
    variables: join(folder, 'variables'),
  });
  expect((await findUefi([distribution])).code).toBe(join(folder, 'code'));
});

test.each([
  ['a BIOS', { 'interface-types': ['bios'] }],
  ['one that is loaded as memory', { mapping: { device: 'memory', filename: '/x' } }],
  ['one of another processor', { targets: [{ architecture: 'aarch64', machines: ['virt-*'] }] }],
  ['one of q35 alone', { targets: [{ architecture: 'x86_64', machines: ['pc-q35-*'] }] }],
  ['one whose variables are no raw file', { mapping: { device: 'flash', executable: {} } }],
  ['one that wants System Management Mode', { features: ['requires-smm'] }],
])('%s is not for us', (_, changes) => {
  expect(parseDescription(description(changes))).toBeUndefined();
});

test('what is no description is passed over', () => {
  for (const text of ['', '{', 'null', '[]', '{"mapping": 1, "targets": {}}']) {
    expect(parseDescription(text)).toBeUndefined();
  }
});

test("a computer's variables are made once, of the firmware's", async () => {
  const path = join(folder, 'own.fd');
  await provideVariables(path, join(folder, 'variables'));
  expect(await readFile(path, 'utf8')).toBe('variables');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await writeFile(path, 'changed by the guest');
  await provideVariables(path, join(folder, 'variables'));
  expect(await readFile(path, 'utf8')).toBe('changed by the guest');
  expect(await readdir(folder)).toEqual(['code', 'other', 'own.fd', 'variables']);
});
