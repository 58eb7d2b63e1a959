import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { errorMessage, invalid } from '../base/index.ts';
import { type DeviceInput, resolveDevice } from './devices.ts';
import type { MountInput, Propagation } from './mounts.ts';
import type { OciHook, OciHooks } from './oci-types.ts';

/** What a device of the Container Device Interface asks of a container (CDI 0.8, containerEdits). */
export interface DeviceEdits {
  readonly env: readonly string[];
  readonly devices: readonly DeviceInput[];
  readonly mounts: readonly MountInput[];
  readonly hooks: OciHooks;
  readonly additionalGids: readonly number[];
}

/** The devices that the specification files of this host describe, by "vendor.com/class=name". */
export interface DeviceCatalogue {
  /** "vendor.com/class", and the names of its devices in the order of the files. */
  readonly kinds: ReadonlyMap<string, readonly string[]>;
  readonly devices: ReadonlyMap<string, readonly RawEdits[]>;
  /** Files that could not be read, one sentence each. */
  readonly warnings: readonly string[];
}

/** Where CDI puts its files, as for Docker. */
export const CDI_FOLDERS: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

/** containerEdits as the file has them: checked member by member when they are used. */
type RawEdits = Readonly<Record<string, unknown>>;

/** Reads all specification files (JSON and YAML); those of a later folder win over those of an earlier one. */
export async function readDevices(folders: readonly string[] = CDI_FOLDERS): Promise<DeviceCatalogue> {
  const kinds = new Map<string, string[]>();
  const devices = new Map<string, readonly RawEdits[]>();
  const warnings: string[] = [];
  for (const folder of folders) {
    for (const name of (await readdir(folder).catch(() => [])).sort()) {
      if (!/\.(json|ya?ml)$/.test(name)) continue;
      try {
        for (const { kind, device, edits } of parseSpecification(
          await readFile(join(folder, name), 'utf8'),
        )) {
          const full = `${kind}=${device}`;
          if (!devices.has(full)) kinds.set(kind, [...(kinds.get(kind) ?? []), device]);
          devices.set(full, edits);
        }
      } catch (error) {
        warnings.push(`the CDI specification ${join(folder, name)} is left out: ${errorMessage(error)}`);
      }
    }
  }
  return { kinds, devices, warnings };
}

function parseSpecification(text: string) {
  const file = objectOf(parse(text), 'the file'); // JSON is YAML
  const kind = textOf(file.kind, 'kind');
  if (!/^[\w.-]+\/[\w.-]+$/.test(kind)) throw invalid(`kind "${kind}" is not of the form vendor/class`);
  const common = objectOf(file.containerEdits ?? {}, 'containerEdits');
  return listOf(file.devices, 'devices').map((entry) => {
    const device = objectOf(entry, 'devices');
    const own = objectOf(device.containerEdits ?? {}, 'containerEdits');
    return { kind, device: textOf(device.name, 'name'), edits: [common, own] };
  });
}

/** Devices that a driver is asked for (Engine API, DeviceRequest). */
export interface DeviceWish {
  readonly driver: string;
  /** -1: all. */
  readonly count: number;
  readonly deviceIds: readonly string[];
  readonly capabilities: readonly (readonly string[])[];
}

/**
 * The full names of the devices that a wish means: those it names, with the driver "cdi"; else GPUs, of the driver's vendor
 * where one is named. Throws `invalid` in Docker's words when this host has none.
 */
export function wishedDevices({ kinds, devices }: DeviceCatalogue, wish: DeviceWish): string[] {
  if (wish.driver === 'cdi') {
    const unknown = wish.deviceIds.filter((name) => !devices.has(name));
    if (unknown.length > 0) {
      throw invalid(`CDI device injection failed: unresolvable CDI devices ${unknown.join(', ')}`, {
        hint: `The specifications of this host have ${[...devices.keys()].join(', ') || 'none'}`,
      });
    }
    return [...wish.deviceIds];
  }
  const wantsGpu = wish.capabilities.some((list) => list.includes('gpu'));
  const kind = [...kinds.keys()].find(
    (name) => name.endsWith('/gpu') && (wish.driver === '' || name === `${wish.driver}.com/gpu`),
  );
  const names = kind === undefined ? undefined : kinds.get(kind);
  if (!wantsGpu || names === undefined) {
    const capabilities = wish.capabilities.map((list) => `[${list.join(' ')}]`).join(' ');
    throw invalid(`could not select device driver "${wish.driver}" with capabilities: [${capabilities}]`, {
      hint: `Devices come from CDI specifications in ${CDI_FOLDERS.join(' and ')}; there is none for a GPU`,
    });
  }
  return chosenNames(names, wish).map((name) => `${kind}=${name}`);
}

/** A device "all" stands for all the others. */
function chosenNames(names: readonly string[], { count, deviceIds }: DeviceWish): string[] {
  if (deviceIds.length > 0) {
    const unknown = deviceIds.find((id) => !names.includes(id));
    if (unknown !== undefined)
      throw invalid(`there is no GPU "${unknown}"`, { hint: `There are ${names.join(', ')}` });
    return [...deviceIds];
  }
  const single = names.filter((name) => name !== 'all');
  if (count === -1) return names.includes('all') ? ['all'] : single;
  if (count > single.length) throw invalid(`there are ${single.length} GPUs, not ${count}`);
  return single.slice(0, count);
}

/** What the named devices ask of a container. Throws `invalid` for an edit that is wrong, naming the device. */
export async function editsOf({ devices }: DeviceCatalogue, names: readonly string[]): Promise<DeviceEdits> {
  const edits: DeviceEdits[] = [];
  for (const name of names) {
    try {
      for (const raw of devices.get(name) ?? []) edits.push(await readEdits(raw));
    } catch (error) {
      throw invalid(`CDI device ${name}: ${errorMessage(error)}`, { cause: error });
    }
  }
  return {
    env: edits.flatMap(({ env }) => env),
    devices: edits.flatMap((one) => one.devices),
    mounts: edits.flatMap(({ mounts }) => mounts),
    hooks: joinHooks(edits.map(({ hooks }) => hooks)),
    additionalGids: edits.flatMap(({ additionalGids }) => additionalGids),
  };
}

async function readEdits(raw: RawEdits): Promise<DeviceEdits> {
  const nodes = listOf(raw.deviceNodes ?? [], 'deviceNodes').map((node) => objectOf(node, 'deviceNodes'));
  const devices = await Promise.all(
    nodes.map((node) => {
      const path = textOf(node.path, 'path');
      const hostPath = node.hostPath === undefined ? path : textOf(node.hostPath, 'hostPath');
      const access = node.permissions === undefined ? 'rwm' : textOf(node.permissions, 'permissions');
      return resolveDevice(hostPath, path, access);
    }),
  );
  return {
    env: textsOf(raw.env ?? [], 'env'),
    devices: devices.flat(),
    mounts: listOf(raw.mounts ?? [], 'mounts').map(readMount),
    hooks: joinHooks(listOf(raw.hooks ?? [], 'hooks').map(readHook)),
    additionalGids: listOf(raw.additionalGids ?? [], 'additionalGids').map(Number),
  };
}

const PROPAGATIONS: readonly Propagation[] = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

function readMount(value: unknown): MountInput {
  const mount = objectOf(value, 'mounts');
  const options = textsOf(mount.options ?? [], 'options');
  const propagation = PROPAGATIONS.find((name) => options.includes(name));
  return {
    kind: 'bind',
    source: textOf(mount.hostPath, 'hostPath'),
    destination: textOf(mount.containerPath, 'containerPath'),
    readOnly: options.includes('ro'),
    recursive: !options.includes('bind'),
    ...(propagation === undefined ? {} : { propagation }),
  };
}

const HOOK_NAMES = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;

function readHook(value: unknown): OciHooks {
  const hook = objectOf(value, 'hooks');
  const when = textOf(hook.hookName, 'hookName');
  const name = HOOK_NAMES.find((known) => known === when);
  if (name === undefined) throw invalid(`hookName "${when}" is unknown`);
  const described: OciHook = {
    path: textOf(hook.path, 'path'),
    ...(hook.args === undefined ? {} : { args: textsOf(hook.args, 'args') }),
    ...(hook.env === undefined ? {} : { env: textsOf(hook.env, 'env') }),
    ...(typeof hook.timeout === 'number' ? { timeout: hook.timeout } : {}),
  };
  return { [name]: [described] };
}

function joinHooks(all: readonly OciHooks[]): OciHooks {
  const entries = HOOK_NAMES.map((name) => [name, all.flatMap((hooks) => hooks[name] ?? [])] as const);
  return Object.fromEntries(entries.filter(([, hooks]) => hooks.length > 0));
}

function objectOf(value: unknown, name: string): RawEdits {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${name} must be an object`);
  }
  return value as RawEdits;
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${name} must be a list`);
  return value;
}

function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(`${name} must be a string`);
  return value;
}

function textsOf(value: unknown, name: string): string[] {
  return listOf(value, name).map((item) => textOf(item, name));
}
