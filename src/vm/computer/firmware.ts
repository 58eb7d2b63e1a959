import { access, chmod, copyFile, link, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { systemErrorCode, unavailable } from '../../base/index.ts';
import type { Firmware } from './contract.ts';

const MIB = 1024 ** 2;

/** Least memory with which a firmware gets as far as to a disk. */
export const FIRMWARE_MEMORY: Record<Firmware, number> = { bios: 16 * MIB, uefi: 128 * MIB };

/** A UEFI that is installed here. */
export interface UefiFirmware {
  readonly code: string;
  /** Its variables, as a computer has them at first. */
  readonly variables: string;
}

/**
 * SeaBIOS for microvm, which QEMU itself looks for elsewhere: Debian has qboot there, which boots no disk. It is among QEMU's own
 * files.
 */
export const MICROVM_BIOS = '/usr/share/seabios/bios-microvm.bin';

/** Throws `unavailable` when there is no BIOS for microvm, with what to install. */
export async function requireMicrovmBios(path = MICROVM_BIOS): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw unavailable('there is no BIOS for machines of the type microvm', {
      hint: 'Install it: apt-get install --no-install-recommends seabios, or use --machine q35',
      cause,
    });
  }
}

/** Where distributions describe their firmware for QEMU, the host's own choices first (QEMU's docs/interop/firmware.json). */
const DESCRIPTIONS = ['/etc/qemu/firmware', '/usr/share/qemu/firmware'];

/**
 * The first UEFI, in the order of the descriptions' names, that is for both kinds of PC and needs no System Management
 * Mode. Throws `unavailable` when none is installed, with what to install.
 */
export async function findUefi(folders: readonly string[] = DESCRIPTIONS): Promise<UefiFirmware> {
  for (const path of await descriptionsIn(folders)) {
    const found = parseDescription(await readFile(path, 'utf8'));
    if (found !== undefined && (await areThere(found))) return found;
  }
  throw unavailable('there is no UEFI firmware for virtual machines', {
    hint: 'Install it: apt-get install --no-install-recommends ovmf, or use --firmware bios',
  });
}

/** A file hides those of the same name in later folders, and an empty one is none. */
async function descriptionsIn(folders: readonly string[]): Promise<string[]> {
  const byName = new Map<string, string>();
  for (const folder of folders) {
    for (const name of await namesIn(folder)) {
      if (name.endsWith('.json') && !byName.has(name)) byName.set(name, join(folder, name));
    }
  }
  return [...byName.values()].sort((one, other) => (basename(one) < basename(other) ? -1 : 1));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Undefined for what is not for us; what is no description at all is none either, as others install them. */
export function parseDescription(text: string): UefiFirmware | undefined {
  const description = parseJson(text);
  const mapping = member(description, 'mapping');
  const code = member(member(mapping, 'executable'), 'filename');
  const variables = member(member(mapping, 'nvram-template'), 'filename');
  const fits =
    words(member(description, 'interface-types')).includes('uefi') &&
    member(mapping, 'device') === 'flash' &&
    isRaw(member(mapping, 'executable')) &&
    isRaw(member(mapping, 'nvram-template')) &&
    ['pc-q35', 'pc-i440fx'].every((machine) => isFor(description, machine)) &&
    !words(member(description, 'features')).includes('requires-smm');
  if (!fits || typeof code !== 'string' || typeof variables !== 'string') return undefined;
  return { code, variables };
}

function isRaw(file: unknown): boolean {
  return member(file, 'format') === 'raw';
}

function isFor(description: unknown, machine: string): boolean {
  const targets = member(description, 'targets');
  if (!Array.isArray(targets)) return false;
  return targets.some(
    (target) =>
      member(target, 'architecture') === 'x86_64' &&
      words(member(target, 'machines')).some((pattern) => pattern.startsWith(machine)),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function words(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((word) => typeof word === 'string') : [];
}

async function areThere({ code, variables }: UefiFirmware): Promise<boolean> {
  try {
    await Promise.all([access(code), access(variables)]);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Makes a computer's variables, whole or not at all. Those that are there stay as they are. */
export async function provideVariables(path: string, template: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await copyFile(template, temporary);
    await chmod(temporary, 0o600);
    await link(temporary, path);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}
