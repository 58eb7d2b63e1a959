// Measures machines: until a Debian system answers by ssh, beside the same system in a QEMU that was started by hand; the tenth
// machine of an image; a live snapshot. Writes its table into bench/README.md.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runChecked } from '../src/base/index.ts';
import { medianOf } from './api.ts';
import { type Cli, cliOf, diskUse } from './compare/subjects.ts';
import { dataRootOf, provideDebianSystems } from './debian-systems.ts';
import { startBerthd } from './engines.ts';
import { writeSection } from './readme.ts';
import { currentLoad, machine, verdict } from './report.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const NAME = 'berth-bench-machine';
const MEMORY = '512m';

/** What a machine has of `berth vm inspect`, as far as it is needed here. */
interface Machine {
  readonly Id: string;
  readonly State: { readonly Pid: number };
  readonly Disks: readonly { readonly Backing: string }[];
  readonly Networks: {
    readonly bridge: {
      readonly MacAddress: string;
      readonly IPAddress: string;
      readonly IPPrefixLen: number;
      readonly Gateway: string;
    };
  };
}

/** In milliseconds: until it answers, and what of it QEMU has computed, which tells more on a busy machine. */
interface Boot {
  readonly took: number;
  readonly computed: number;
}

interface BothWays {
  readonly berth: Boot;
  readonly byHand: Boot;
}

async function main(): Promise<void> {
  const load = currentLoad();
  await using berthd = await startBerthd();
  provideDebianSystems(berthd);
  const cli = cliOf(berthd.host);
  const data = dataRootOf(berthd);
  const accelerator = /^ *Accelerator: (.*)$/m.exec(await cli(['info']))?.[1] ?? 'unknown';

  const boots: BothWays[] = [];
  for (let round = 0; round < ROUNDS; round += 1) boots.push(await bootBothWays(cli, data));
  const tenth = await createTen(cli, data);
  const stops = await snapshots(cli);

  const text = table({ load, accelerator, boots, tenth, stops });
  console.log(`\n${text}`);
  writeSection('machines', text);
}

/** A first boot by berth, then one by hand of another disk of the same image, with the same medium of the first boot. */
async function bootBothWays(cli: Cli, data: string): Promise<BothWays> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  try {
    await cli(['vm', 'create', '--from', 'debian', '-m', MEMORY, NAME]);
    const began = performance.now();
    await cli(['vm', 'start', NAME]);
    const made = await inspect(cli);
    await answering(made.Networks.bridge.IPAddress, 22);
    const took = performance.now() - began;
    const berth = { took, computed: computedBy(childOf(made.State.Pid)) };
    const seed = join(folder, 'seed.iso');
    copyFileSync(join(data, 'containers', made.Id, 'seed.iso'), seed);
    await cli(['vm', 'rm', '-f', NAME]);
    const byHand = await bootByHand(made, { data, folder, seed });
    console.log('  ssh answers:', { berth, byHand });
    return { berth, byHand };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function inspect(cli: Cli): Promise<Machine> {
  const [found]: Machine[] = JSON.parse(await cli(['vm', 'inspect', NAME]));
  if (found === undefined) throw new Error(`${NAME} is not there`);
  return found;
}

/** As one would type it: QEMU's own devices and user network, which gives the guest the addresses that its medium names. */
async function bootByHand(
  made: Machine,
  { data, folder, seed }: { readonly data: string; readonly folder: string; readonly seed: string },
): Promise<Boot> {
  const { MacAddress, IPAddress, IPPrefixLen, Gateway } = made.Networks.bridge;
  const disk = join(folder, 'root.qcow2');
  const backing = realpathSync(join(data, 'vm/images', made.Disks[0]?.Backing ?? ''));
  await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', disk, '8G']);
  const port = await freePort();
  const network = `user,id=net,net=${Gateway}/${IPPrefixLen},host=${Gateway},dhcpstart=${IPAddress}`;
  const began = performance.now();
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      ...['-M', 'q35', '-accel', 'tcg', '-cpu', 'max', '-m', MEMORY, '-display', 'none', '-nodefaults'],
      ...['-drive', `file=${disk},if=virtio`, '-drive', `file=${seed},if=virtio,format=raw,readonly=on`],
      ...['-netdev', `${network},hostfwd=tcp:127.0.0.1:${port}-${IPAddress}:22`],
      ...['-device', `virtio-net-pci,netdev=net,mac=${MacAddress}`],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = once(qemu, 'exit');
  try {
    await answering('127.0.0.1', port);
    return { took: performance.now() - began, computed: computedBy(qemu.pid) };
  } finally {
    qemu.kill('SIGKILL');
    await ended;
  }
}

/** QEMU is the child of the machine's monitor. */
function childOf(pid: number): number {
  return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10);
}

/** By proc_pid_stat(5), whose clock ticks a hundred times a second. */
function computedBy(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return 10 * ((user ?? 0) + (system ?? 0));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no port');
  return address.port;
}

/** Until a server of ssh there has said its first word. Asked ten times a second, which both sides pay. */
async function answering(host: string, port: number): Promise<void> {
  while (!(await greets(host, port))) await setTimeout(100);
}

function greets(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = createConnection({ host, port, timeout: 1000 });
  connection.once('data', (words) => resolve(words.toString().startsWith('SSH-')));
  for (const event of ['error', 'timeout', 'close']) connection.once(event, () => resolve(false));
  return promise.finally(() => connection.destroy());
}

/** What the tenth machine of an image takes until it is there. */
interface Tenth {
  readonly milliseconds: number;
  readonly bytes: number;
}

async function createTen(cli: Cli, data: string): Promise<Tenth> {
  const names = Array.from({ length: 10 }, (_, index) => `${NAME}-${index}`);
  let tenth: Tenth = { milliseconds: Number.NaN, bytes: Number.NaN };
  for (const name of names) {
    const before = await diskUse(data);
    const began = performance.now();
    await cli(['vm', 'create', '--from', 'debian', name]);
    const milliseconds = performance.now() - began;
    tenth = { milliseconds, bytes: (await diskUse(data)) - before };
  }
  await cli(['vm', 'rm', ...names]);
  return tenth;
}

/** Milliseconds that a guest with Debian stood still for each of some live snapshots. */
async function snapshots(cli: Cli): Promise<number[]> {
  await cli(['vm', 'create', '--from', 'debian', '-m', MEMORY, NAME]);
  await cli(['vm', 'start', NAME]);
  await answering((await inspect(cli)).Networks.bridge.IPAddress, 22);
  for (let index = 0; index < 5; index += 1) await cli(['vm', 'snapshot', 'create', NAME, `live-${index}`]);
  const said = await cli(['vm', 'snapshot', 'ls', '--format', '{{.StoppedFor}}', NAME]);
  await cli(['vm', 'rm', '-f', NAME]);
  return said.split('\n').map(Number.parseFloat);
}

function table(seen: {
  readonly load: number;
  readonly accelerator: string;
  readonly boots: readonly BothWays[];
  readonly tenth: Tenth;
  readonly stops: readonly number[];
}): string {
  const { boots, tenth, stops } = seen;
  const row = (title: string, measured: string, goal = '') => `| ${title} | ${measured} | ${goal} |`;
  const median = (pick: (both: BothWays) => number) => medianOf(boots.map(pick));
  const [berth, byHand] = [median((both) => both.berth.took), median((both) => both.byHand.took)];
  const computed = [median((both) => both.berth.computed), median((both) => both.byHand.computed)] as const;
  const share = berth / byHand;
  const slowest = Math.max(...stops);
  return [
    `- ${machine(seen.load)}`,
    `- accelerator: ${seen.accelerator}; Debian, one processor, ${MEMORY}; medians of ${boots.length}, by turns`,
    '',
    '| machines | measured | goal |',
    '| - | - | - |',
    row('start until ssh answers (s)', (berth / 1000).toFixed(1)),
    row('the same image in a QEMU started by hand (s)', (byHand / 1000).toFixed(1)),
    row('the one as a share of the other', share.toFixed(2), verdict('≤ 1.1', share <= 1.1)),
    row('the same of what QEMU computes until then', (computed[0] / computed[1]).toFixed(2)),
    row(
      'to create the tenth of an image (ms)',
      tenth.milliseconds.toFixed(0),
      verdict('≤ 300', tenth.milliseconds <= 300),
    ),
    row('disk that it takes (KB)', (tenth.bytes / 1000).toFixed(0), verdict('≤ 1000', tenth.bytes <= 1e6)),
    row(
      `a guest of ${MEMORY} stands still for a live snapshot (ms): median of ${stops.length}`,
      medianOf(stops).toFixed(0),
      verdict('≤ 200', medianOf(stops) <= 200),
    ),
    row('the longest of them', slowest.toFixed(0)),
  ].join('\n');
}

await main();
