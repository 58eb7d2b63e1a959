import { existsSync, readFileSync } from 'node:fs';

/** The kinds of stand-in, each with what its image runs by default. */
export const commands = {
  debian: ['bash'],
  python: ['python3'],
  busybox: ['sh'],
} as const satisfies Record<string, readonly string[]>;

export type StandIn = keyof typeof commands;

export function isStandIn(text: string): text is StandIn {
  return text in commands;
}

/** What an image's configuration is made of. */
export interface StandInImage {
  readonly kind: StandIn;
  /** What the image really contains, in a sentence. */
  readonly description: string;
  /** The recipe's hash. */
  readonly hash: string;
  /** sha256 of the uncompressed layer, as `sha256:…`. */
  readonly diffId: string;
}

/** The image configuration (OCI image-spec, config.md) of a stand-in of one layer. */
export function imageConfig(image: StandInImage): object {
  const created = new Date().toISOString();
  return {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created,
    config: {
      Env: environment(image.kind),
      Cmd: commands[image.kind],
      Labels: {
        'org.opencontainers.image.description': image.description,
        'berth.stand-in': image.hash,
      },
    },
    rootfs: { type: 'layers', diff_ids: [image.diffId] },
    history: [{ created, created_by: `scripts/stand-in/build ${image.kind}`, comment: image.description }],
  };
}

function environment(kind: StandIn): string[] {
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  if (kind === 'busybox') return [path];
  const bundle = '/etc/ssl/certs/ca-certificates.crt';
  const certificates = [`SSL_CERT_FILE=${bundle}`];
  if (kind === 'debian') return [path, ...certificates];
  return [path, 'LANG=C.UTF-8', ...certificates, `PIP_CERT=${bundle}`, ...pipSettings()];
}

/**
 * The host's pip settings that decide which index is asked, as environment variables, so that `pip install` in a
 * container reaches what it reaches on the host. A value that carries a password stays out of the image.
 */
function pipSettings(): string[] {
  const carried = ['index-url', 'extra-index-url', 'trusted-host'];
  const settings = { ...pipConfiguration(), ...pipEnvironment() };
  return carried.flatMap((key) => {
    const value = settings[key];
    if (value === undefined || /:\/\/[^/]*@/.test(value)) return [];
    return [`PIP_${key.toUpperCase().replaceAll('-', '_')}=${value}`];
  });
}

function pipEnvironment(): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('PIP_') && value !== undefined) {
      settings[name.slice('PIP_'.length).toLowerCase().replaceAll('_', '-')] = value;
    }
  }
  return settings;
}

/** The `key = value` lines of /etc/pip.conf's one section that counts for every command. */
function pipConfiguration(): Record<string, string> {
  if (!existsSync('/etc/pip.conf')) return {};
  const settings: Record<string, string> = {};
  let section = '';
  for (const line of readFileSync('/etc/pip.conf', 'utf8').split('\n')) {
    section = /^\[(.+)\]/.exec(line)?.[1] ?? section;
    const [, key, value] = /^([\w-]+)\s*[=:]\s*(.+)$/.exec(line) ?? [];
    if (section === 'global' && key !== undefined && value !== undefined) settings[key] = value;
  }
  return settings;
}
