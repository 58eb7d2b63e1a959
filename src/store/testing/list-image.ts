/**
 * A program for tests, to be run in a mount namespace of its own (`unshare -m`): mounts an EROFS image and
 * writes its tree to standard output as GNU tar sees it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalTarArguments } from './canonical-tar.ts';

const [, , image = ''] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'erofs-mount-'));
const mount = spawnSync('mount', ['-t', 'erofs', '-o', 'ro', image, folder], { stdio: 'inherit' });
if (mount.status === 0) {
  const tar = spawnSync('tar', canonicalTarArguments(folder), { stdio: ['ignore', 'inherit', 'inherit'] });
  process.exitCode = tar.status ?? 1;
  spawnSync('umount', [folder], { stdio: 'inherit' });
} else {
  process.exitCode = 1;
}
rmdirSync(folder);
