/**
 * A program for roots.ts, to be run in a mount namespace of its own: joins a layer (an EROFS image or a folder) and an empty
 * writable folder by overlayfs, and reads a file of the layer at random places. Prints milliseconds as JSON: for the first
 * reads, of which nothing is in memory, and for later ones, of which everything is.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [layer = '', scratch = '', name = ''] = process.argv.slice(2);
const FIRST_READS = 1500;
const LATER_READS = 200_000;

const lower = join(scratch, 'lower');
const merged = join(scratch, 'merged');
for (const folder of ['lower', 'upper', 'work', 'merged'])
  mkdirSync(join(scratch, folder), { recursive: true });
const isFolder = statSync(layer).isDirectory();
forget(isFolder ? join(layer, name) : layer);
if (isFolder) run('mount', '--bind', layer, lower);
else run('mount', '-t', 'erofs', '-o', 'ro', layer, lower);
const options = `lowerdir=${lower},upperdir=${scratch}/upper,workdir=${scratch}/work`;
run('mount', '-t', 'overlay', '-o', `${options},redirect_dir=off,metacopy=off,index=off`, 'overlay', merged);

const file = openSync(join(merged, name), 'r');
const first = readAtRandom(FIRST_READS);
const buffer = Buffer.alloc(1 << 20);
for (let at = 0, got = 1; got > 0; at += got) got = readSync(file, buffer, 0, buffer.length, at);
const later = readAtRandom(LATER_READS);
closeSync(file);
console.log(JSON.stringify({ first, later }));

/** Milliseconds for so many reads of 4 KiB. The places are the same in each run. */
function readAtRandom(count: number): number {
  const blocks = Math.floor(fstatSync(file).size / 4096);
  const block = Buffer.alloc(4096);
  let state = count;
  const start = performance.now();
  for (let read = 0; read < count; read += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    readSync(file, block, 0, block.length, (state % blocks) * 4096);
  }
  return performance.now() - start;
}

/** Takes a file out of the page cache. */
function forget(path: string): void {
  run('sync', path);
  run('dd', `if=${path}`, 'iflag=nocache', 'count=0', 'status=none');
}

function run(program: string, ...args: string[]): void {
  const { status } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
}
