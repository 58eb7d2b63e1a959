// Measures berth's pulls alone, against the tools that do nothing but decompress and hash; writes its table into bench/README.md.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { pushImage } from '../scripts/stand-in/distribution.ts';
import { startRegistry } from '../test/fixtures/registry.ts';
import { docker, type Engine, startBerthd } from './engines.ts';
import { largeLayer } from './large-layer.ts';
import { residentMemory, servingProcess } from './memory.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';
import { prepareSubject } from './subject.ts';

const root = join(import.meta.dirname, '..');
const PAIRS = 7;
const LARGE = 2e9;

async function main(): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  cleanup.defer(() => rmSync(folder, { recursive: true }));
  const standIns = cleanup.use(await startRegistry());
  const registry = cleanup.use(await startRegistry('empty'));
  const subject = cleanup.use(await prepareSubject(standIns.url, registry.url));
  const load = loadavg()[0] ?? 0;
  const rows = [
    ...(await measurePull(folder, registry.url, subject.reference)),
    await measureLarge(registry.url),
  ];
  const text = [
    `- ${machine(load)}`,
    '',
    '| berth alone | measured | goal |',
    '| - | - | - |',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
  console.log(`\n${text}`);
  writeSection('pulls', text);
}

/** Pulls and the tools take turns, so that other work on the machine meets both. */
async function measurePull(folder: string, registry: string, reference: string): Promise<string[][]> {
  const layer = join(folder, 'layer.tar.gz');
  await download(registry, layer);
  const delays = join(folder, 'delays');
  await using berthd = await startBerthd({
    NODE_OPTIONS: `--import=${join(root, 'bench/loop-delay.ts')}`,
    BERTH_LOOP_DELAY: delays,
  });
  const engine = engineAt(berthd.host);
  const pid = await servingProcess(socketOf(engine));
  const pairs: { readonly pull: number; readonly tools: number; readonly blocked: LoopDelay }[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const tools = await timed(() => gunzipAndHash(layer));
    await longestDelay(pid, delays); // that of the start, and of removals
    const pull = await timed(() => docker(engine, 'pull', '-q', reference));
    const blocked = await longestDelay(pid, delays);
    console.log(
      `  gunzip | sha256sum ${tools.toFixed(0)} ms, pull ${pull.toFixed(0)} ms, blocked ${blocked.wall} ms, computing ${blocked.cpu} ms`,
    );
    pairs.push({ pull, tools, blocked });
    await docker(engine, 'rmi', reference);
  }
  const wall = Math.max(...pairs.map(({ blocked }) => blocked.wall));
  const cpu = Math.max(...pairs.map(({ blocked }) => blocked.cpu));
  const ratio = median(pairs.map(({ pull, tools }) => pull / tools));
  const times = `${median(pairs.map((it) => it.pull)).toFixed(0)} / ${median(pairs.map((it) => it.tools)).toFixed(0)} ms`;
  return [
    [
      `pull from a loopback registry, as a share of \`gunzip -c layer \\| sha256sum\`, median of ${PAIRS} pairs`,
      `${ratio.toFixed(2)} (${times})`,
      verdict('≤ 0.75', ratio <= 0.75),
    ],
    [
      'longest time that the event loop computed before it came round, in these pulls, with waiting for a processor in brackets (ms)',
      `${cpu.toFixed(1)} (${wall.toFixed(1)})`,
      verdict('≤ 20', cpu <= 20),
    ],
  ];
}

/** The first pull of a daemon that has just started. */
async function measureLarge(registry: string): Promise<string[]> {
  await pushImage({
    repository: `${registry}/v2/bench/large`,
    tags: ['1'],
    layer: largeLayer(LARGE),
    config: (diffId) => ({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [diffId] },
    }),
  });
  await using berthd = await startBerthd();
  const engine = engineAt(berthd.host);
  const pid = await servingProcess(socketOf(engine));
  const before = residentMemory(pid);
  const over = new AbortController();
  const peak = watchMemory(pid, over.signal);
  await docker(engine, 'pull', '-q', `${new URL(registry).host}/bench/large:1`).finally(() => over.abort());
  const growth = (((await peak) - before) * 1024) / 1e6;
  return [
    'resident memory, growth in the pull of a 2 GB layer (MB)',
    growth.toFixed(0),
    verdict('≤ 120', growth <= 120),
  ];
}

async function watchMemory(pid: number, signal: AbortSignal): Promise<number> {
  let peak = 0;
  while (!signal.aborted) {
    peak = Math.max(peak, residentMemory(pid));
    await delay(20);
  }
  return peak;
}

async function download(registry: string, file: string): Promise<void> {
  const accept = 'application/vnd.docker.distribution.manifest.v2+json';
  const repository = `${registry}/v2/bench/python`;
  const manifest = await (await fetch(`${repository}/manifests/3.8`, { headers: { accept } })).json();
  const { layers } = manifest as { layers: readonly { readonly digest: string }[] };
  const { body } = await fetch(`${repository}/blobs/${layers[0]?.digest}`);
  if (body === null) throw new Error(`${repository} has no layer`);
  await pipeline(Readable.fromWeb(body), createWriteStream(file));
}

async function gunzipAndHash(file: string): Promise<void> {
  const gunzip = spawn('gunzip', ['-c', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const hash = spawn('sha256sum', { stdio: [gunzip.stdout, 'ignore', 'inherit'] });
  const [code] = await once(hash, 'exit');
  if (code !== 0) throw new Error(`sha256sum ended with ${code}`);
}

/** In milliseconds; see loop-delay.ts. */
interface LoopDelay {
  readonly wall: number;
  readonly cpu: number;
}

/** Since it was asked last. */
async function longestDelay(pid: number, file: string): Promise<LoopDelay> {
  const lines = () => readFileSync(file, { encoding: 'utf8', flag: 'a+' }).trim().split('\n').filter(Boolean);
  const before = lines().length;
  process.kill(pid, 'SIGUSR2');
  while (lines().length === before) await delay(10);
  const [wall = 0, cpu = 0] = (lines().at(-1) ?? '').split(' ').map(Number);
  return { wall, cpu };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const engineAt = (host: string): Engine => ({ name: 'berth', version: '', host, env: process.env });
const socketOf = ({ host }: Engine): string => host.slice('unix://'.length);

await main();
