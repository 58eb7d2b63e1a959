import { invalid, notImplemented } from '../../base/index.ts';
import { parsePlatform } from '../../registry/index.ts';
import type { BuildRequest } from '../contract.ts';

/** What a client's attributes for the Dockerfile frontend ask of a build; sessions are by id. */
export interface FrontendRequest
  extends Pick<
    BuildRequest,
    'dockerfile' | 'buildArgs' | 'labels' | 'target' | 'noCache' | 'pull' | 'platform' | 'network'
  > {
  /** The session that has a folder, where it is not the build's own. */
  readonly folderSessions: Readonly<Record<'context' | 'dockerfile', string | undefined>>;
  /** Where the context is, if it is no folder. */
  readonly contextPlace: string | undefined;
  /** Caches to begin from that berth does not read, as their clients name them. */
  readonly cacheImports: readonly string[];
}

/**
 * Attributes that change nothing here: they tell where the sources come from, name folders for BuildKit's own cache, or tell what
 * the client would understand.
 */
const WITHOUT_EFFECT = [/^vcs:/, /^sharedkey:/, /^frontend\.caps$/];

/** Attributes that are refused by what their users call them. */
const REFUSED: Readonly<Record<string, string>> = {
  'add-hosts': 'further hosts for RUN steps (--add-host)',
  'cgroup-parent': 'a control group for RUN steps (--cgroup-parent)',
  hostname: 'a host name for RUN steps',
  'shm-size': 'a size of /dev/shm for RUN steps (--shm-size)',
  ulimit: 'ulimits for RUN steps (--ulimit)',
  requestid: 'checks of a Dockerfile and other questions about it (--check, --call)',
  cmdline: 'frontends from images (BUILDKIT_SYNTAX)',
  source: 'frontends from images (BUILDKIT_SYNTAX)',
};

/**
 * Parses the attributes of the frontend "dockerfile.v0". Throws `not-implemented` for those that berth does not have, and for those
 * that it does not know.
 */
export function parseFrontend(
  frontend: string,
  attributes: Readonly<Record<string, string>>,
): FrontendRequest {
  if (frontend !== 'dockerfile.v0')
    throw notImplemented(
      `the frontend "${frontend}" is not there: berth builds from Dockerfiles (dockerfile.v0)`,
    );
  const rest = new Map(Object.entries(attributes));
  const take = (name: string) => {
    const value = rest.get(name);
    rest.delete(name);
    return value;
  };
  const group = (prefix: string) => {
    // Sorted: Go's maps have no order, and the same labels make the same image.
    const names = [...rest.keys()].filter((name) => name.startsWith(prefix)).sort();
    return Object.fromEntries(names.map((name) => [name.slice(prefix.length), take(name) ?? '']));
  };
  for (const folder of ['context', 'dockerfile']) {
    const key = take(`${folder}key`);
    if (key !== undefined && key !== folder)
      throw notImplemented(`the ${folder} folder under another name ("${key}") is not there yet`);
  }
  const request: FrontendRequest = {
    dockerfile: take('filename') || 'Dockerfile',
    target: take('target') || undefined,
    noCache: noCache(take('no-cache')),
    pull: pull(take('image-resolve-mode')),
    platform: platform(take('platform') ?? ''),
    network: network(take('force-network-mode')),
    cacheImports: [...cacheImports(take('cache-imports')), ...list(take('cache-from'))],
    folderSessions: {
      context: take('local-sessionid:context'),
      dockerfile: take('local-sessionid:dockerfile'),
    },
    contextPlace: take('context'),
    labels: group('label:'),
    buildArgs: withoutSettings(group('build-arg:')),
  };
  refuseRest(rest);
  return request;
}

/** Without what BuildKit takes out of them as settings of its own. */
function withoutSettings(buildArgs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(buildArgs).filter(([name]) => !name.startsWith('BUILDKIT_')));
}

function refuseRest(rest: ReadonlyMap<string, string>): void {
  const asked = [...rest]
    .filter(([name, value]) => name !== 'multi-platform' || value === 'true')
    .map(([name]) => name)
    .filter((name) => !WITHOUT_EFFECT.some((pattern) => pattern.test(name)))
    .sort();
  // What the user has asked for says more than what the client makes of it besides.
  const refusals = asked.flatMap((name) => refusalOf(name) ?? []);
  const [first] = [...refusals, ...asked.map((name) => `the build option "${name}" is not there`)];
  if (first !== undefined) throw notImplemented(first);
}

/** Why an attribute that is known is refused. */
function refusalOf(name: string): string | undefined {
  const refused = REFUSED[name];
  if (refused !== undefined) return `${refused} ${/^an? /.test(refused) ? 'is' : 'are'} not there yet`;
  if (name.startsWith('context:'))
    return `further build contexts (--build-context ${name.slice('context:'.length)}) are not there yet`;
  if (name.startsWith('attest:')) return `attestations (${name.slice('attest:'.length)}) are not there yet`;
  return undefined;
}

function noCache(value: string | undefined): boolean {
  if (value === undefined || value === '') return value === '';
  throw notImplemented(`building only some stages anew (--no-cache-filter ${value}) is not there yet`);
}

function pull(mode: string | undefined): boolean {
  switch (mode) {
    case undefined:
    case '':
    case 'default':
    case 'local':
      return false;
    case 'pull':
      return true;
    default:
      throw invalid(`invalid image-resolve-mode: "${mode}"`, { hint: 'It is default, local or pull' });
  }
}

function network(mode: string | undefined): FrontendRequest['network'] {
  switch (mode) {
    case undefined:
    case '':
    case 'default':
    case 'sandbox':
      return 'default';
    case 'host':
    case 'none':
      return mode;
    default:
      throw invalid(`invalid network of a build: "${mode}"`, { hint: 'It is default, none or host' });
  }
}

export const OWN_PLATFORM = parsePlatform('');

function platform(text: string): FrontendRequest['platform'] {
  const { os, architecture } = OWN_PLATFORM;
  if (['', `${os}/${architecture}`, architecture, os].includes(text)) return OWN_PLATFORM;
  throw notImplemented(`building for ${text} is not there yet`, {
    hint: `This host builds for ${os}/${architecture}`,
  });
}

/** "registry:name" of each cache that is asked for as JSON. */
function cacheImports(text: string | undefined): string[] {
  if (text === undefined || text === '') return [];
  try {
    const entries: unknown = JSON.parse(text);
    return (Array.isArray(entries) ? entries : []).map((entry) => {
      const { Type = '', Attrs }: Record<string, unknown> = { ...entry };
      const { ref }: Record<string, unknown> = { ...Object(Attrs) };
      return typeof ref === 'string' ? ref : String(Type);
    });
  } catch (error) {
    throw invalid('the attribute cache-imports is no JSON', { cause: error });
  }
}

const list = (text: string | undefined): string[] => (text ?? '').split(',').filter(Boolean);
