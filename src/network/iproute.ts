import { BerthError, internal, run, unavailable } from '../base/index.ts';
import { CommandStream, type StreamProgram } from './command-stream.ts';

/** One interface of the host. */
export interface HostLink {
  readonly name: string;
  /** "bridge", "veth", …; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /** The bridge that it is a port of. */
  readonly master: string | undefined;
  readonly alias: string | undefined;
}

export interface HostRoute {
  /** "default", an address or a CIDR. */
  readonly destination: string;
  readonly device: string;
}

/** iproute2 as a stream of commands (ip(8), -batch), in a network namespace when a path is given. */
export class IpStream implements AsyncDisposable {
  readonly #stream: CommandStream;

  constructor(namespacePath?: string) {
    this.#stream = new CommandStream(ipProgram(namespacePath));
  }

  /** Runs commands up to the first that fails. Throws what {@link ipFailure} makes of it. */
  async run(commands: readonly string[]): Promise<void> {
    if (commands.length > 0) await this.#answerTo(commands);
  }

  /** What a command prints, a line for each object. Throws as {@link run} does. */
  async ask(command: string): Promise<string> {
    return (await this.#answerTo([command])).replace(LOOPBACK_LINE, '');
  }

  async #answerTo(commands: readonly string[]): Promise<string> {
    const answer = await this.#stream.run(commands);
    if (answer.kind === 'refused') throw ipFailure(answer.reason);
    return answer.output ?? '';
  }

  /** Lets the program end by itself, without waiting for that. */
  end(): void {
    this.#stream.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stream[Symbol.asyncDispose]();
  }
}

/** `ip` ends with the first command that fails; a batch that does not is over when the last command here has printed its line. */
function ipProgram(namespacePath: string | undefined): StreamProgram {
  const args = ['-oneline', '-batch', '-'];
  return {
    ...(namespacePath === undefined
      ? { file: 'ip', args }
      : { file: 'nsenter', args: [`--net=${namespacePath}`, 'ip', ...args] }),
    encode: (commands) => [...commands, 'link show dev lo', ''].join('\n'),
    decode: ({ stdout }) => (LOOPBACK_LINE.test(stdout) ? { kind: 'done', output: stdout } : undefined),
  };
}

/** Loopback is the first interface of each network namespace; nothing else is asked for it. */
const LOOPBACK_LINE = /^1: lo: .*\n$/m;

/** The host's interfaces. */
export async function hostLinks(): Promise<HostLink[]> {
  const list = await ipJson(['-details', 'link', 'show']);
  return list.map(({ ifname, linkinfo, master, ifalias }) => ({
    name: String(ifname),
    kind: isRecord(linkinfo) ? text(linkinfo.info_kind) : undefined,
    master: text(master),
    alias: text(ifalias),
  }));
}

/** The host's routes in every table (a VPN may have one of its own), without those to its own addresses. */
export async function hostRoutes(): Promise<HostRoute[]> {
  const families = await Promise.all(
    ['-4', '-6'].map((family) => ipJson([family, 'route', 'show', 'table', 'all'])),
  );
  return families
    .flat()
    .filter(({ type }) => !['local', 'broadcast', 'multicast', 'anycast'].includes(text(type) ?? 'unicast'))
    .map(({ dst, dev }) => ({ destination: String(dst), device: text(dev) ?? 'no device' }));
}

/** The MTU of the interface that the host's default route uses; undefined where there is none. */
export async function defaultRouteMtu(): Promise<number | undefined> {
  const [route] = await ipJson(['-4', 'route', 'show', 'default']);
  const device = text(route?.dev);
  if (device === undefined) return undefined;
  return linkMtu(device);
}

export async function linkMtu(device: string): Promise<number> {
  const [link] = await ipJson(['link', 'show', 'dev', device]);
  return typeof link?.mtu === 'number' ? link.mtu : USUAL_MTU;
}

/** Ethernet's. */
const USUAL_MTU = 1500;

async function ipJson(args: readonly string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await run('ip', ['-json', ...args]);
  if (code !== 0) throw ipFailure(stderr);
  const output = stdout.toString().trim();
  const list: unknown = output === '' ? [] : JSON.parse(output);
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown) => (typeof value === 'string' ? value : undefined);

/** An interface that a command names does not exist (any more). */
export function isLinkGone(error: unknown): boolean {
  return error instanceof BerthError && LINK_GONE.test(error.message);
}

/** ip's words when it looks the name up, and the kernel's when the interface goes just after that. */
const LINK_GONE = /Cannot find device|No such device/;

/** What iproute2 prints on standard error, as an error that says what the kernel minds. */
export function ipFailure(stderr: string): BerthError {
  const [reason = 'no reason given'] = stderr
    .split('\n')
    .map((line) => line.replace(/^(RTNETLINK answers|Error): /, '').trim())
    .filter((line) => line !== '' && !line.startsWith('Command failed'));
  if (/Operation not permitted/.test(reason)) {
    return new BerthError('denied', `networks of this host cannot be changed: ${reason}`, {
      hint: 'Run berthd as root (CAP_NET_ADMIN)',
    });
  }
  if (/Unknown device type|Operation not supported/.test(reason)) {
    return unavailable(`this kernel lacks what container networks need: ${reason}`, {
      hint: 'Load the modules bridge and veth',
    });
  }
  if (LINK_GONE.test(reason) || /namespace|No such file/.test(reason)) {
    return unavailable(`a part of the network is gone: ${reason}`);
  }
  return internal(`ip refused a change of the network: ${reason}`);
}
