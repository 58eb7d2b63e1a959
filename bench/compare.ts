// Measures the ways to isolate a program side by side: container, container with gVisor, virtual machine from an image, machine.
// Keeps the figures in bench/compare/figures.json and writes docs/containers-or-vms.md and its charts from them. Arguments: which
// kinds are measured (all), each as a whole or one part of it (machine:start, :work, :space); other figures stay as they were.

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBench } from './bench.ts';
import { type Kept, MANY, render } from './compare/document.ts';
import { type Figures, measureSpace, measureStart, measureWork, type Sender } from './compare/measure.ts';
import { type Cli, cliOf, imageSubject, machineSubject, type Subject } from './compare/subjects.ts';
import { dataRootOf, provideDebianSystems } from './debian-systems.ts';
import { machine } from './report.ts';

const FIGURES = join(import.meta.dirname, 'compare/figures.json');
const KERNELS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-kernels`;
/** Debian's package of gVisor; newer kernels show it the host's own networks everywhere, so that it refuses all but this. */
const RUNSC = { path: '/usr/bin/runsc', args: '--network=host' };

/** Machines boot, which takes emulated ones a minute of a processor each: a host may be too small for many. */
const MANY_MACHINES = Number(process.env.BERTH_COMPARE_MACHINES ?? MANY);

/** How each kind is measured. */
interface Kind {
  readonly starts: number;
  readonly many: number;
  subject(cli: Cli, image: string): Subject;
}

const kinds: Record<string, Kind> = {
  container: { starts: 15, many: MANY, subject: (cli, image) => imageSubject('container', cli, image, []) },
  gvisor: {
    starts: 9,
    many: MANY,
    subject: (cli, image) => imageSubject('gvisor', cli, image, ['--runtime', 'runsc']),
  },
  vm: {
    starts: 7,
    many: MANY,
    subject: (cli, image) => imageSubject('vm', cli, image, ['--isolation', 'vm', '-m', '256m']),
  },
  machine: { starts: 0, many: MANY_MACHINES, subject: (cli) => machineSubject('machine', cli, '512m') },
};

async function main(): Promise<void> {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(kinds);
  const kept: Kept = existsSync(FIGURES) ? JSON.parse(readFileSync(FIGURES, 'utf8')) : { kinds: {} };
  if (wanted[0] !== 'render') await measureKinds(wanted, kept);
  render(kept);
}

async function measureKinds(wanted: readonly string[], kept: Kept): Promise<void> {
  await using gvisor = gvisorOnPath();
  await using bench = await startBench({ PATH: `${gvisor.folder}:${process.env.PATH ?? ''}` });
  await using sender = await startSender();
  const cli = cliOf(bench.berthd.host);
  const data = dataRootOf(bench.berthd);
  if (existsSync(KERNELS)) cpSync(KERNELS, join(data, 'vm/kernels'), { recursive: true });
  provideDebianSystems(bench.berthd);
  const image = bench.image.replace(/busybox:latest$/, 'python:3.8');
  await cli(['pull', '-q', image]);
  const address = await cli(['network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'bridge']);
  for (const words of wanted) {
    const [name = '', part] = words.split(':');
    const kind = kinds[name];
    if (kind === undefined) throw new Error(`${name} is none of ${Object.keys(kinds).join(', ')}`);
    const subject = kind.subject(cli, image);
    for (const [each, measure] of Object.entries(parts)) {
      if (part !== undefined && part !== each) continue;
      const figures = await measure(kind, subject, { address, port: sender.port }, data);
      console.log(`  ${name}:`, figures);
      const before = kept.kinds[name];
      kept.kinds[name] = { ...before, ...figures, many: kind.many, conditions: machine(bench.load) };
      kept.accelerator = /^ *Accelerator: (.*)$/m.exec(await cli(['info']))?.[1] ?? 'unknown';
      writeFileSync(FIGURES, `${JSON.stringify(kept, undefined, 2)}\n`);
    }
  }
}

type Measure = (kind: Kind, subject: Subject, sender: Sender, data: string) => Promise<Figures>;

const parts: Readonly<Record<string, Measure>> = {
  start: async (kind, subject) => ({ start: await measureStart(subject, kind.starts) }),
  work: (_, subject, sender) => measureWork(subject, sender),
  space: (kind, subject, _, data) => measureSpace(subject, kind.many, data),
};

/** A runsc with its argument, found before the one that is installed. */
function gvisorOnPath(): AsyncDisposable & { readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'berth-bench-runsc-'));
  const path = join(folder, 'runsc');
  if (existsSync(RUNSC.path)) {
    writeFileSync(path, `#!/bin/sh\nexec ${RUNSC.path} ${RUNSC.args} "$@"\n`);
    chmodSync(path, 0o755);
  }
  return { folder, [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }) };
}

/** Sends to everybody who connects, until they have had enough. */
async function startSender(): Promise<AsyncDisposable & { readonly port: number }> {
  const block = Buffer.alloc(1024 ** 2, 'berth');
  const server = createServer((connection) => {
    const send = () => {
      while (!connection.destroyed && connection.write(block));
    };
    connection.on('drain', send).on('error', () => {});
    send();
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '0.0.0.0', resolve);
  await promise;
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the sender has no port');
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}

mkdirSync(join(import.meta.dirname, '../docs/images'), { recursive: true });
await main();
