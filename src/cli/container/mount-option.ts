import { resolve } from 'node:path';
import { invalid, parseSize } from '../../base/index.ts';
import type { MountRequest } from '../../client/index.ts';
import { splitPair } from '../filters.ts';

type MountType = 'bind' | 'volume' | 'tmpfs' | 'image';

/** A field of `--mount`, its key in the one spelling that is used here. */
interface Field {
  readonly key: string;
  readonly value: string;
  /** As it was written. */
  readonly text: string;
}

/**
 * Parses `--mount type=bind,source=…,target=…[,readonly]`, fields with commas in double quotes. A bind's source that starts with
 * "." is a path from here. Throws `invalid` naming the field that is wrong.
 */
export function parseMount(spec: string): MountRequest {
  const fields = csvFields(spec).map(parseField);
  const last = (key: string) => fields.findLast((field) => field.key === key)?.value;
  const type = mountType(last('type') ?? 'volume');
  requireKnown(type, fields);
  const target = last('target');
  if (target === undefined) throw invalid('target is required');
  const source = last('source');
  const isRelative = type === 'bind' && source?.startsWith('.') === true;
  const readOnly = flag(fields, 'readonly');
  return {
    Type: type,
    Target: target,
    ...(source === undefined ? {} : { Source: isRelative ? resolve(source) : source }),
    ...(readOnly ? { ReadOnly: true } : {}),
    ...typeOptions(type, fields, readOnly),
  };
}

/** Comma-separated values (RFC 4180): a field in double quotes may have commas, and quotes written twice. */
function csvFields(text: string): string[] {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"(?:,|$)/.exec(rest);
    const plain = /^([^,]*)(?:,|$)/.exec(rest);
    const [whole = '', field = ''] = quoted ?? plain ?? [];
    fields.push(quoted === null ? field : field.replaceAll('""', '"'));
    if (whole.length === rest.length && !whole.endsWith(',')) return fields;
    rest = rest.slice(whole.length);
  }
}

const SPELLINGS: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
};

/** Keys that may stand alone, for true. */
const FLAGS = ['readonly', 'volume-nocopy', 'bind-nonrecursive', 'bind-create-src'];

function parseField(text: string): Field {
  const [name, value] = splitPair(text);
  const lower = name.toLowerCase();
  const key = SPELLINGS[lower] ?? lower;
  if (value === undefined && !FLAGS.includes(key)) {
    throw invalid(`invalid field '${text}' must be a key=value pair`);
  }
  return { key, value: value ?? 'true', text };
}

function mountType(text: string): MountType {
  if (text === 'bind' || text === 'volume' || text === 'tmpfs' || text === 'image') return text;
  throw invalid(`mount type "${text}" is none of bind, volume, tmpfs and image`);
}

const COMMON_KEYS = ['type', 'source', 'target', 'readonly', 'consistency'];

const TYPE_KEYS: Readonly<Record<MountType, readonly string[]>> = {
  bind: ['bind-propagation', 'bind-nonrecursive', 'bind-recursive', 'bind-create-src'],
  volume: ['volume-nocopy', 'volume-subpath', 'volume-label', 'volume-driver', 'volume-opt'],
  tmpfs: ['tmpfs-size', 'tmpfs-mode'],
  image: ['image-subpath'],
};

function requireKnown(type: MountType, fields: readonly Field[]): void {
  for (const { key, text } of fields) {
    if (COMMON_KEYS.includes(key) || TYPE_KEYS[type].includes(key)) continue;
    const owner = Object.entries(TYPE_KEYS).find(([, keys]) => keys.includes(key))?.[0];
    if (owner !== undefined) throw invalid(`cannot mix '${owner}-*' options with mount type '${type}'`);
    throw invalid(`unexpected key '${key}' in '${text}'`);
  }
}

function typeOptions(type: MountType, fields: readonly Field[], readOnly: boolean): Partial<MountRequest> {
  switch (type) {
    case 'bind':
      return withOptions('BindOptions', bindOptions(fields, readOnly));
    case 'volume':
      return withOptions('VolumeOptions', volumeOptions(fields));
    case 'tmpfs':
      return withOptions('TmpfsOptions', tmpfsOptions(fields));
    case 'image':
      return withOptions('ImageOptions', { Subpath: value(fields, 'image-subpath') });
  }
}

/** Nothing where no option was given. */
function withOptions(name: string, options: object): Partial<MountRequest> {
  const given = Object.entries(options).filter(([, option]) => option !== undefined && option !== false);
  return given.length === 0 ? {} : { [name]: Object.fromEntries(given) };
}

function bindOptions(fields: readonly Field[], readOnly: boolean): NonNullable<MountRequest['BindOptions']> {
  const recursive = value(fields, 'bind-recursive') ?? 'enabled';
  switch (recursive) {
    case 'enabled':
    case 'disabled':
      break;
    case 'writable':
    case 'readonly':
      if (readOnly) break;
      throw invalid(
        `option 'bind-recursive=${recursive}' requires 'readonly' to be specified in conjunction`,
      );
    default:
      throw invalid(
        `invalid value for bind-recursive: ${recursive} (must be "enabled", "disabled", "writable", or "readonly")`,
      );
  }
  return {
    Propagation: value(fields, 'bind-propagation'),
    CreateMountpoint: flag(fields, 'bind-create-src'),
    NonRecursive: recursive === 'disabled' || flag(fields, 'bind-nonrecursive'),
    ReadOnlyNonRecursive: recursive === 'writable',
    ReadOnlyForceRecursive: recursive === 'readonly',
  };
}

function volumeOptions(fields: readonly Field[]): NonNullable<MountRequest['VolumeOptions']> {
  const labels = pairs(fields, 'volume-label');
  const options = pairs(fields, 'volume-opt');
  const driver = value(fields, 'volume-driver');
  return {
    NoCopy: flag(fields, 'volume-nocopy'),
    Subpath: value(fields, 'volume-subpath'),
    Labels: labels,
    DriverConfig:
      driver === undefined && options === undefined ? undefined : { Name: driver, Options: options },
  };
}

function tmpfsOptions(fields: readonly Field[]): NonNullable<MountRequest['TmpfsOptions']> {
  const [size, mode] = [value(fields, 'tmpfs-size'), value(fields, 'tmpfs-mode')];
  if (mode !== undefined && !/^[0-7]+$/.test(mode)) throw invalid(`invalid value for tmpfs-mode: ${mode}`);
  return {
    SizeBytes: size === undefined ? undefined : parseSize(size),
    Mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
  };
}

function value(fields: readonly Field[], key: string): string | undefined {
  return fields.findLast((field) => field.key === key)?.value;
}

function flag(fields: readonly Field[], key: string): boolean {
  const text = value(fields, key)?.toLowerCase();
  if (text === undefined || ['false', '0', 'f'].includes(text)) return false;
  if (['true', '1', 't'].includes(text)) return true;
  throw invalid(`invalid value for ${key}: ${value(fields, key)}`);
}

function pairs(fields: readonly Field[], key: string): Record<string, string> | undefined {
  const values = fields.filter((field) => field.key === key).map((field) => splitPair(field.value));
  if (values.length === 0) return undefined;
  return Object.fromEntries(values.map(([name, text]) => [name, text ?? '']));
}
