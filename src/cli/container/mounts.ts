import { resolve } from 'node:path';

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
