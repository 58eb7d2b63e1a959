/**
 * A program for tests, to be run in a mount namespace of its own (`unshare --mount`): mounts a layer (an EROFS image or a
 * folder), or several joined by overlayfs (lowest first), and writes the tree to standard output as GNU tar
 * sees it; or, after "--", runs a program in it.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalTarArguments } from './canonical-tar.ts';

const arguments_ = process.argv.slice(2);
const separator = arguments_.indexOf('--');
const layers = separator < 0 ? arguments_ : arguments_.slice(0, separator);
const base = mkdtempSync(join(tmpdir(), 'erofs-mount-'));
try {
  const folders = layers.map((layer, index) => mount(`layer-${index}`, ...mountOptions(layer)));
  const lowest = folders.toReversed().join(':');
  const tree =
    folders.length === 1
      ? folders.join()
      : mount('merged', '-t', 'overlay', '-o', `lowerdir=${lowest}`, 'overlay');
  const [program, ...rest] =
    separator < 0 ? ['tar', ...canonicalTarArguments(tree)] : arguments_.slice(separator + 1);
  run(program ?? '', rest, tree);
} finally {
  for (const name of ['merged', ...layers.map((_, index) => `layer-${index}`)]) {
    spawnSync('umount', [join(base, name)], { stdio: 'ignore' });
  }
  rmSync(base, { recursive: true });
}

function mountOptions(layer: string): string[] {
  return statSync(layer).isDirectory() ? ['--bind', layer] : ['-t', 'erofs', '-o', 'ro', layer];
}

function mount(name: string, ...options: string[]): string {
  const folder = join(base, name);
  mkdirSync(folder);
  run('mount', [...options, folder]);
  return folder;
}

function run(program: string, arguments_: string[], folder?: string): void {
  const { status } = spawnSync(program, arguments_, {
    stdio: ['ignore', 'inherit', 'inherit'],
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
}
