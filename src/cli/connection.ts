import { BerthError, invalid, isBerthError, notImplemented } from '../base/index.ts';
import {
  EngineClient,
  formatHost,
  type HostAddress,
  parseHost,
  RegistryCredentials,
} from '../client/index.ts';

export const DEFAULT_SOCKET = '/run/berth/berth.sock';

/** Which engine to talk to. */
export interface Target {
  readonly host: HostAddress;
  /** Nobody named it: the engine of this machine, which is ours to start. */
  readonly isDefault: boolean;
  readonly apiVersion: string | undefined;
}

/** The engine that -H names; else DOCKER_HOST, BERTH_HOST, the default socket. Throws for what we cannot speak. */
export function chooseTarget(flag: string | undefined, env: NodeJS.ProcessEnv): Target {
  const named = [flag, env.DOCKER_HOST, env.BERTH_HOST].find((text) => text !== undefined && text !== '');
  const host: HostAddress = named === undefined ? { kind: 'unix', path: DEFAULT_SOCKET } : parseHost(named);
  if (host.kind === 'tcp' && (env.DOCKER_TLS_VERIFY ?? '') !== '') throw tlsRefusal('DOCKER_TLS_VERIFY');
  const isDefault = host.kind === 'unix' && host.path === DEFAULT_SOCKET;
  return { host, isDefault, apiVersion: env.DOCKER_API_VERSION || undefined };
}

export function tlsRefusal(what: string): BerthError {
  return notImplemented(`${what}: connections to an engine by TLS are not implemented`, {
    hint: 'Forward the socket with ssh -L, or use tcp:// inside a network that you trust',
  });
}

/** A client of an engine that answers. Starts the machine's own daemon when it is dead and we are root. */
export async function connect(target: Target, env: NodeJS.ProcessEnv): Promise<EngineClient> {
  const trace = env.BERTH_TRACE === '1' ? (await import('./timeline.ts')).traceToStderr() : undefined;
  const client = new EngineClient({ ...target, credentials: new RegistryCredentials(env), onRequest: trace });
  try {
    await client.system.apiVersion();
    return client;
  } catch (error) {
    if (isBerthError(error, 'denied') && target.host.kind === 'unix') {
      throw await socketDenied(target.host.path, error);
    }
    if (!isBerthError(error, 'unavailable') || !target.isDefault) throw error;
    if (process.getuid?.() !== 0) throw notRunning(target, error);
    const { startDaemon } = await import('./daemon-start.ts');
    await startDaemon(DEFAULT_SOCKET, env);
    await client.system.apiVersion();
    return client;
  }
}

function notRunning({ host }: Target, cause: BerthError): BerthError {
  return new BerthError(
    'unavailable',
    `cannot connect to the engine at ${formatHost(host)}: no berthd runs`,
    {
      hint: 'Start it as root: sudo berthd (or any berth command as root, which starts it)',
      cause,
    },
  );
}

async function socketDenied(path: string, cause: BerthError): Promise<BerthError> {
  const { stat } = await import('node:fs/promises');
  const { uid, gid, mode } = await stat(path).catch(() => ({ uid: 0, gid: 0, mode: 0 }));
  const owner = `owner ${uid === 0 ? 'root' : uid}, group ${await groupName(gid)}, mode ${(mode & 0o777).toString(8)}`;
  return new BerthError('denied', `no permission on the engine's socket ${path} (${owner})`, {
    hint:
      gid === 0
        ? 'Use sudo, or give the socket a group that you are in'
        : `Use sudo, or join its group: sudo usermod -aG ${await groupName(gid)} "$USER", then log in again`,
    cause,
  });
}

async function groupName(gid: number): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const lines = (await readFile('/etc/group', 'utf8').catch(() => '')).split('\n');
  return lines.find((line) => line.split(':')[2] === String(gid))?.split(':')[0] ?? String(gid);
}

/** Checks a `--context`: berth has the one that DOCKER_HOST and the default socket make. */
export function checkContext(name: string | undefined): void {
  if (name === undefined || name === 'default') return;
  throw invalid(`context "${name}": berth has no contexts`, {
    hint: 'Name the engine with -H or DOCKER_HOST',
  });
}
