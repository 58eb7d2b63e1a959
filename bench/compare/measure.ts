import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { medianOf } from '../api.ts';
import { diskUse, memoryBelow, type Subject } from './subjects.ts';

/** What one kind of isolation costs; undefined: it was not measured. */
export interface Figures {
  /** Milliseconds. */
  readonly start?: number;
  /** Bytes of the host's memory that one takes, and all together when there are many. */
  readonly memoryOfOne?: number;
  readonly memoryOfMany?: number;
  /** Bytes of the host's disk that one more takes. */
  readonly disk?: number;
  /** Seconds of a computation. */
  readonly compute?: number;
  /** MiB a second, from the host. */
  readonly receive?: number;
  /** MiB a second, until they are on the disk. */
  readonly write?: number;
  /** Files a second, made and removed. */
  readonly files?: number;
}

type Work = Required<Pick<Figures, 'compute' | 'receive' | 'write' | 'files'>>;

/** Where the host sends what is received. */
export interface Sender {
  readonly address: string;
  readonly port: number;
}

const PREFIX = 'berth-compare';
const WORKLOAD = readFileSync(join(import.meta.dirname, 'workload.py'), 'utf8');

/** The median of so many starts, after one that finds caches cold and makes what is kept; of a single one, if no more are wanted. */
export async function measureStart(subject: Subject, runs: number): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index <= runs; index += 1) times.push(await subject.start(`${PREFIX}-start-${index}`));
  return medianOf(runs === 0 ? times : times.slice(1));
}

/** Medians of three runs of the same work. */
export async function measureWork(subject: Subject, sender: Sender): Promise<Work> {
  const name = `${PREFIX}-work`;
  await subject.launch(name);
  try {
    const rounds: Work[] = [];
    for (let round = 0; round < 3; round += 1) {
      const command = ['python3', '-', sender.address, String(sender.port)];
      rounds.push(JSON.parse(await subject.exec(name, command, WORKLOAD)) as Work);
    }
    const median = (key: keyof Work) => medianOf(rounds.map((round) => round[key]));
    return {
      compute: median('compute'),
      receive: median('receive'),
      write: median('write'),
      files: median('files'),
    };
  } finally {
    await subject.remove([name]);
  }
}

/** Of one and of many that wait: what they take of memory, and what one more takes on the disk. */
export async function measureSpace(
  subject: Subject,
  many: number,
  dataRoot: string,
): Promise<Required<Pick<Figures, 'memoryOfOne' | 'memoryOfMany' | 'disk'>>> {
  const names = Array.from({ length: many }, (_, index) => `${PREFIX}-${index}`);
  const [first = '', ...others] = names;
  const launched: string[] = [];
  const launch = async (name: string) => {
    launched.push(name);
    await subject.launch(name);
  };
  try {
    await launch(first);
    const memoryOfOne = await settledMemory([await subject.process(first)]);
    const before = await diskUse(dataRoot);
    for (const name of others) await launch(name);
    const disk = others.length === 0 ? Number.NaN : ((await diskUse(dataRoot)) - before) / others.length;
    const memoryOfMany = await settledMemory(await Promise.all(names.map((name) => subject.process(name))));
    return { memoryOfOne, memoryOfMany, disk };
  } finally {
    await subject.remove(launched);
  }
}

/** Of all together, in bytes, once it hardly changes: a virtual machine gives memory back when it has rested for two seconds. */
async function settledMemory(processes: readonly number[]): Promise<number> {
  const read = () => processes.map(memoryBelow).reduce((sum, bytes) => sum + bytes, 0);
  for (let before = read(); ; ) {
    await setTimeout(6000);
    const now = read();
    if (Math.abs(now - before) <= before / 100) return now;
    before = now;
  }
}
