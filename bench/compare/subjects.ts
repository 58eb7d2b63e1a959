import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runChecked } from '../../src/base/index.ts';

/** One way to isolate a program, all by berth's own CLI. */
export interface Subject {
  readonly name: string;
  /** Starts one that waits. */
  launch(name: string): Promise<void>;
  /** Runs a program in it, with a text on its standard input. */
  exec(name: string, command: readonly string[], input?: string): Promise<string>;
  /** The host's process that stands for it. */
  process(name: string): Promise<number>;
  remove(names: readonly string[]): Promise<void>;
  /** From the command to the end of a first program in it, once, in milliseconds. `name` is not used yet. */
  start(name: string): Promise<number>;
}

const berth = join(import.meta.dirname, '../../bin/berth');

/** Runs berth's CLI against a daemon; throws with what it printed. */
export type Cli = (args: readonly string[], input?: string) => Promise<string>;

export function cliOf(host: string): Cli {
  return async (args, input = '') => {
    const result = await run(berth, ['-H', host, ...args], { input });
    if (result.code !== 0) throw new Error(`berth ${args.slice(0, 3).join(' ')}: ${result.stderr.trim()}`);
    return result.stdout.toString().trim();
  };
}

/** An image that is run by `berth run`, with these options. */
export function imageSubject(name: string, cli: Cli, image: string, options: readonly string[]): Subject {
  return {
    name,
    launch: async (own) => {
      await cli(['run', '-d', '--name', own, ...options, image, 'sleep', '100000']);
    },
    exec: (own, command, input) => cli(['exec', '-i', own, ...command], input),
    process: async (own) => Number(await cli(['inspect', '-f', '{{.State.Pid}}', own])),
    remove: async (names) => {
      await cli(['rm', '-f', ...names]);
    },
    start: () => timed(() => cli(['run', '--rm', ...options, image, 'true'])),
  };
}

/** A machine with Debian, which answers by ssh. */
export function machineSubject(name: string, cli: Cli, memory: string): Subject {
  const create = (own: string) => cli(['vm', 'create', '--from', 'debian', '-m', memory, own]);
  const answer = (own: string) => cli(['vm', 'ssh', own, 'true']);
  const remove = async (names: readonly string[]) => {
    await cli(['vm', 'rm', '-f', ...names]);
  };
  return {
    name,
    launch: async (own) => {
      await create(own);
      await cli(['vm', 'start', own]);
      await answer(own);
    },
    exec: (own, command, input) => cli(['vm', 'ssh', own, ...command], input),
    process: async (own) => {
      const [found]: { Pid?: number; State?: { Pid?: number } }[] = JSON.parse(
        await cli(['vm', 'inspect', own]),
      );
      return found?.State?.Pid ?? found?.Pid ?? Number.NaN;
    },
    remove,
    start: async (own) => {
      await create(own);
      const took = await timed(async () => {
        await cli(['vm', 'start', own]);
        await answer(own);
      });
      await remove([own]);
      return took;
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Proportional memory in bytes of a supervisor and all that runs below it; `pid` is one of its children. */
export function memoryBelow(pid: number): number {
  const supervisor = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  const children = childrenOfAll();
  let bytes = 0;
  for (const open = [supervisor]; open.length > 0; ) {
    const next = open.pop() ?? 0;
    bytes += proportionalMemory(next);
    open.push(...(children.get(next) ?? []));
  }
  return bytes;
}

function childrenOfAll(): Map<number, number[]> {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(name);
    if (parent === undefined) continue;
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  return children;
}

/** Undefined for one that has ended meanwhile. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function proportionalMemory(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0; // ended meanwhile, or a kernel thread
  }
}

/** Bytes on the disk below a folder. */
export async function diskUse(folder: string): Promise<number> {
  await runChecked('sync', []); // what is still to be written counts
  const { stdout } = await runChecked('du', ['--summarize', '--one-file-system', '--block-size=1', folder]);
  return Number(stdout.toString().split('\t')[0]);
}
