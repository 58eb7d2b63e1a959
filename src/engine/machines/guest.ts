import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { invalid, notFound, unavailable } from '../../base/index.ts';
import type { FileStat } from '../../runtime/index.ts';
import { GuestAgent, type GuestCommand, type GuestExit } from '../../vm/index.ts';
import { computerControl } from '../containers/computer/control.ts';
import type { ContainerRecord } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import type { PathFacts } from '../containers/files/archive.ts';
import { requireGoingOn } from './admission.ts';

/**
 * Runs a command in a machine, by QEMU's guest agent there. Throws `conflict` for a machine that does not run, `unavailable` for
 * one whose system has no agent, with what to install.
 */
export async function execInGuest(
  context: ContainerContext,
  record: ContainerRecord,
  command: GuestCommand,
  signal: AbortSignal,
): Promise<GuestExit> {
  if (command.args.length === 0) throw invalid('no command is specified');
  return agentOf(context, record).run(command, signal);
}

/** The files of a machine that runs, by its guest agent and its system's tar. Throws as {@link execInGuest} does. */
export class GuestFiles {
  readonly #agent: GuestAgent;
  readonly #signal: AbortSignal;

  constructor(context: ContainerContext, record: ContainerRecord, signal: AbortSignal) {
    this.#agent = agentOf(context, record);
    this.#signal = signal;
  }

  /** Throws `not-found`. */
  async stat(path: string): Promise<PathFacts> {
    requireAbsolute(path);
    const { exitCode, output } = await this.#run('stat', '-c', '%f %s %Y %u %g', '--', path);
    if (exitCode !== 0) throw missing(path);
    const stat = parseStat(output.toString());
    if (stat.type !== 'symlink') return { name: posix.basename(path), stat, linkTarget: '' };
    const target = await this.#run('readlink', '-m', '--', path);
    return { name: posix.basename(path), stat, linkTarget: target.output.toString().trimEnd() };
  }

  /** A tar of what is at a path, whose names begin with the path's last component. */
  async read(path: string): Promise<{ readonly facts: PathFacts; readonly archive: Readable }> {
    const facts = await this.stat(path);
    const file = await this.#temporaryFile();
    try {
      const name = facts.name === '' ? '.' : facts.name;
      await this.#checked('tar', '-cf', file, '-C', posix.dirname(path), '--', name);
    } catch (error) {
      await this.#remove(file);
      throw error;
    }
    return { facts, archive: Readable.from(this.#contentOf(file), { objectMode: false }) };
  }

  /** Unpacks a tar into a folder that there is. */
  async write(path: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    const { stat } = await this.stat(posix.join(path, '.'));
    if (stat.type !== 'directory') throw invalid(`${path} is no directory in the machine`);
    const file = await this.#temporaryFile();
    try {
      await this.#agent.write(file, tar, this.#signal);
      await this.#checked('tar', '-xf', file, '-C', path);
    } finally {
      await this.#remove(file);
    }
  }

  /** In between, an archive is a file of the guest: its agent has no streams. */
  async #temporaryFile(): Promise<string> {
    const output = await this.#checked('mktemp', '-p', '/var/tmp', 'berth-copy.XXXXXX');
    return output.toString().trimEnd();
  }

  async *#contentOf(file: string): AsyncGenerator<Buffer> {
    try {
      yield* this.#agent.read(file, this.#signal);
    } finally {
      await this.#remove(file);
    }
  }

  /** Also for a client that has gone. */
  async #remove(file: string): Promise<void> {
    const signal = AbortSignal.timeout(REMOVAL_TIMEOUT_MS);
    await this.#agent.run({ args: ['rm', '-f', '--', file] }, signal).catch(() => {}); // the machine may have ended
  }

  async #checked(...args: readonly string[]): Promise<Buffer> {
    const { exitCode, output, errorOutput } = await this.#run(...args);
    if (exitCode === 0) return output;
    const words = errorOutput.toString().trim();
    throw unavailable(`${args[0]} failed in the machine (exit code ${exitCode}): ${words}`);
  }

  #run(...args: readonly string[]): Promise<GuestExit> {
    return this.#agent.run({ args, env: ['LC_ALL=C'] }, this.#signal);
  }
}

const REMOVAL_TIMEOUT_MS = 30_000;

function agentOf(context: ContainerContext, record: ContainerRecord): GuestAgent {
  requireGoingOn(record);
  return new GuestAgent(computerControl(context, record));
}

function requireAbsolute(path: string): void {
  if (path.startsWith('/') && !path.includes('\0')) return;
  throw invalid(`"${path}" is no absolute path of the machine`);
}

function missing(path: string) {
  return notFound(`Could not find the file ${path} in the machine`);
}

/** File types in st_mode (inode(7)). */
const TYPES: Readonly<Record<number, FileStat['type']>> = {
  1: 'fifo',
  2: 'character',
  4: 'directory',
  6: 'block',
  7: 'file',
  9: 'symlink',
  11: 'socket',
};

/** "%f %s %Y %u %g" of stat(1). */
function parseStat(text: string): FileStat {
  const [mode = '', size, mtime, uid, gid] = text.trim().split(' ');
  const bits = Number.parseInt(mode, 16);
  return {
    type: TYPES[bits >> 12] ?? 'file',
    mode: bits & 0o7777,
    ...{ size: Number(size), uid: Number(uid), gid: Number(gid) },
    mtime: new Date(Number(mtime) * 1000),
    linkTarget: undefined,
  };
}
