// Measures how soon a container's root is ready, and how fast it is read; writes its table into bench/README.md.
import { link, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { runChecked } from '../src/base/index.ts';
import { type Launcher, openLauncher, placeLayerTree } from '../src/runtime/index.ts';
import { type Layer, openStore, type Store } from '../src/store/index.ts';
import { tar } from '../test/fixtures/image-archives.ts';
import { largeLayer } from './large-layer.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';

const root = join(import.meta.dirname, '..');
const nativeDirectory = join(root, 'native/build');
const LAYERS = 30;
const FILES_PER_LAYER = 400;
const ROUNDS = 15;
const LARGE = 256e6;

async function main(): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  await mkdir(join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(join(root, '.cache/bench-roots-')); // a disk: /tmp may be memory
  cleanup.defer(() => rm(folder, { recursive: true }));
  const load = loadavg()[0] ?? 0;
  const rows = [...(await measureReady(folder)), ...(await measureReads(folder))];
  const text = [
    `- ${machine(load)}`,
    '',
    '| roots | measured | goal |',
    '| - | - | - |',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
  console.log(`\n${text}`);
  writeSection('roots', text);
}

/** The launcher's answer to "join these layers", and a first answer of the process that serves the root's files. */
async function measureReady(folder: string): Promise<string[][]> {
  await using store = await openFormat(folder, 'erofs');
  const layers: Layer[] = [];
  for (let number = 0; number < LAYERS; number += 1) {
    const files = Array.from({ length: FILES_PER_LAYER }, (_, file) => `layer-${number}/file-${file}`);
    const archive = await tar(files.map((name) => [name, name]));
    layers.push(await store.layers.unpackTar(Readable.from([archive], { objectMode: false })));
  }
  const execRoot = await mkdtemp('/tmp/berth-bench-');
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(execRoot, { recursive: true }));
  const launcher = cleanup.use(await openLauncher({ execRoot, nativeDirectory }));
  const pid = Number(await readFile(join(execRoot, 'l.pid'), 'utf8'));
  cleanup.defer(async () => void process.kill(pid, 'SIGTERM')); // it outlives its clients
  const mounted: number[] = [];
  const unmounted: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // By other names they are other layers to the launcher.
    const links = await linkAll(layers, join(folder, `round-${round}`));
    unmounted.push(await readyAfter(launcher, folder, links));
    mounted.push(await readyAfter(launcher, folder, links));
  }
  const row = (title: string, times: number[], goal: number) => {
    const value = median(times);
    return [title, `${value.toFixed(1)} ms`, verdict(`< ${goal} ms`, value < goal)];
  };
  return [
    row(`root of ${LAYERS} layers ready, and served by a process: layers mounted`, mounted, 5),
    row('the same, no layer mounted', unmounted, 20),
  ];
}

async function linkAll(layers: readonly Layer[], folder: string): Promise<string[]> {
  await mkdir(folder);
  return Promise.all(
    layers.map(async ({ path }, index) => {
      await link(path, join(folder, `${index}`));
      return join(folder, `${index}`);
    }),
  );
}

async function readyAfter(launcher: Launcher, folder: string, layers: readonly string[]): Promise<number> {
  const writable = { upper: join(folder, 'upper'), work: join(folder, 'work') };
  for (const path of Object.values(writable)) await mkdir(path, { recursive: true });
  const start = performance.now();
  const files = await launcher.openFiles({ layers, writable });
  const time = performance.now() - start;
  await files[Symbol.asyncDispose]();
  for (const path of Object.values(writable)) await rm(path, { recursive: true });
  return time;
}

/** Of the two formats, in turns. */
async function measureReads(folder: string): Promise<string[][]> {
  const layers = new Map<'erofs' | 'folder', string>();
  for (const format of ['erofs', 'folder'] as const) {
    const dataRoot = join(folder, format);
    await mkdir(dataRoot);
    const store = await openFormat(dataRoot, format);
    layers.set(format, (await store.layers.unpackTar(largeLayer(LARGE))).path);
    await store[Symbol.asyncDispose]();
  }
  const { stdout } = await runChecked('find', [layers.get('folder') ?? '', '-type', 'f', '-printf', '%P\\n']);
  const [name = ''] = stdout.toString().split('\n');
  const shares = { first: [] as number[], later: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const image = await readTimes(folder, layers.get('erofs') ?? '', name);
    const plain = await readTimes(folder, layers.get('folder') ?? '', name);
    shares.first.push(image.first / plain.first);
    shares.later.push(image.later / plain.later);
  }
  const row = (title: string, times: number[]) => {
    const value = median(times);
    return [title, `${value.toFixed(2)} × a folder’s`, verdict('≤ 1.1', value <= 1.1)];
  };
  return [
    row('4 KiB at random of a file through overlay, in memory: time with an EROFS layer', shares.later),
    row('the same, read from the disk for the first time', shares.first),
  ];
}

async function readTimes(
  folder: string,
  layer: string,
  name: string,
): Promise<{ readonly first: number; readonly later: number }> {
  const scratch = await mkdtemp(join(folder, 'reads-'));
  const program = join(root, 'bench/random-reads.ts');
  const { stdout } = await runChecked('unshare', [
    '--mount',
    process.execPath,
    program,
    layer,
    scratch,
    name,
  ]);
  await rm(scratch, { recursive: true });
  return JSON.parse(stdout.toString());
}

function openFormat(folder: string, layerFormat: 'erofs' | 'folder'): Promise<Store> {
  return openStore({
    dataRoot: join(folder, `data-${layerFormat}`),
    signal: new AbortController().signal,
    layerFormat,
    placeTree: (layer) => placeLayerTree(nativeDirectory, layer, layer.signal),
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

await main();
