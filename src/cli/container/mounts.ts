import { resolve } from 'node:path';
import { invalid, notImplemented, parseSize } from '../../base/index.ts';
import type { MountRequest } from '../../client/index.ts';
import { splitPair } from '../filters.ts';

/** What `-v` asks for: binds and named volumes as the API's text, anonymous volumes as paths. */
export interface VolumeOptions {
  readonly binds: readonly string[];
  readonly anonymous: Readonly<Record<string, object>>;
}

/** Parses `-v [source:]target[:options]`. A source that starts with "." is a path from here. */
export function parseVolumes(specs: readonly string[]): VolumeOptions {
  const binds: string[] = [];
  const anonymous: Record<string, object> = {};
  for (const spec of specs) {
    const [source = '', target, ...options] = spec.split(':');
    if (target === undefined) anonymous[source] = {};
    else binds.push([source.startsWith('.') ? resolve(source) : source, target, ...options].join(':'));
  }
  return { binds, anonymous };
}

/** `--tmpfs path[:options]` as the API's map. */
export function parseTmpfs(specs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    specs.map((spec) => {
      const colon = spec.indexOf(':');
      return colon < 0 ? [spec, ''] : [spec.slice(0, colon), spec.slice(colon + 1)];
    }),
  );
}

/** Parses `--mount type=bind,source=…,target=…[,readonly]`. Throws `invalid` naming the field, `not-implemented` for other types. */
export function parseMount(spec: string): MountRequest {
  const fields = new Map(
    spec.split(',').map((field) => {
      const [key, value] = splitPair(field);
      return [MOUNT_KEYS[key.toLowerCase()] ?? key, value ?? 'true'];
    }),
  );
  const type = fields.get('type') ?? 'volume';
  if (type !== 'bind' && type !== 'volume' && type !== 'tmpfs') {
    throw notImplemented(`mounts of type "${type}" are not implemented`);
  }
  const unknown = [...fields.keys()].find((key) => !MOUNT_FIELDS[type].includes(key));
  if (unknown !== undefined) throw invalid(`unexpected key '${unknown}'`);
  const target = fields.get('target');
  if (target === undefined) throw invalid('target is required');
  const source = fields.get('source');
  const relative = type === 'bind' && source?.startsWith('.') === true;
  return {
    Type: type,
    Target: target,
    ...(source === undefined ? {} : { Source: relative ? resolve(source) : source }),
    ...(isTrue(fields.get('readonly')) ? { ReadOnly: true } : {}),
    ...typeOptions(type, fields),
  };
}

const MOUNT_KEYS: Readonly<Record<string, string>> = {
  type: 'type',
  src: 'source',
  source: 'source',
  dst: 'target',
  destination: 'target',
  target: 'target',
  ro: 'readonly',
  readonly: 'readonly',
};

const MOUNT_FIELDS: Readonly<Record<'bind' | 'volume' | 'tmpfs', readonly string[]>> = {
  bind: ['type', 'source', 'target', 'readonly', 'bind-propagation'],
  volume: ['type', 'source', 'target', 'readonly', 'volume-nocopy', 'volume-subpath'],
  tmpfs: ['type', 'target', 'readonly', 'tmpfs-size', 'tmpfs-mode'],
};

function typeOptions(type: 'bind' | 'volume' | 'tmpfs', fields: Map<string, string>): Partial<MountRequest> {
  switch (type) {
    case 'bind': {
      const propagation = fields.get('bind-propagation');
      return propagation === undefined ? {} : { BindOptions: { Propagation: propagation } };
    }
    case 'volume': {
      const subpath = fields.get('volume-subpath');
      const noCopy = isTrue(fields.get('volume-nocopy'));
      if (!noCopy && subpath === undefined) return {};
      return {
        VolumeOptions: {
          ...(noCopy ? { NoCopy: true } : {}),
          ...(subpath === undefined ? {} : { Subpath: subpath }),
        },
      };
    }
    case 'tmpfs': {
      const [size, mode] = [fields.get('tmpfs-size'), fields.get('tmpfs-mode')];
      if (size === undefined && mode === undefined) return {};
      return {
        TmpfsOptions: {
          ...(size === undefined ? {} : { SizeBytes: parseSize(size) }),
          ...(mode === undefined ? {} : { Mode: Number.parseInt(mode, 8) }),
        },
      };
    }
  }
}

function isTrue(value: string | undefined): boolean {
  return value === 'true' || value === '1';
}
