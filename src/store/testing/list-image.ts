/**
 * A program for tests, to be run in a mount namespace of its own (`unshare --mount`): mounts an EROFS image, or
 * several joined by overlayfs (lowest first), and writes the tree to standard output as GNU tar sees it.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalTarArguments } from './canonical-tar.ts';

const images = process.argv.slice(2);
const base = mkdtempSync(join(tmpdir(), 'erofs-mount-'));
try {
  const folders = images.map((image, index) => mount(`layer-${index}`, '-t', 'erofs', '-o', 'ro', image));
  const lowest = folders.toReversed().join(':');
  const tree =
    folders.length === 1
      ? folders.join()
      : mount('merged', '-t', 'overlay', '-o', `lowerdir=${lowest}`, 'overlay');
  run('tar', canonicalTarArguments(tree));
} finally {
  for (const name of ['merged', ...images.map((_, index) => `layer-${index}`)]) {
    spawnSync('umount', [join(base, name)], { stdio: 'ignore' });
  }
  rmSync(base, { recursive: true });
}

function mount(name: string, ...options: string[]): string {
  const folder = join(base, name);
  mkdirSync(folder);
  run('mount', [...options, folder]);
  return folder;
}

function run(program: string, arguments_: string[]): void {
  const { status } = spawnSync(program, arguments_, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
}
