import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packLocal, unpackLocal } from './local-archive.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-local-archive-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Entry = Parameters<ReturnType<typeof pack>['entry']>[0];

function archiveOf(entries: readonly Entry[]): Readable {
  const tar = pack();
  for (const entry of entries) tar.entry(entry, entry.type === undefined ? 'text' : '');
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

const options = (root: string) => ({ root, contentOnly: false, owners: false });

test('what is packed is unpacked the same, under another name', async () => {
  await mkdir(`${folder}/from/sub`, { recursive: true, mode: 0o700 });
  await writeFile(`${folder}/from/sub/file`, 'x'.repeat(100_000), { mode: 0o640 });
  await writeFile(`${folder}/from/empty`, '');
  await symlink('sub/file', `${folder}/from/link`);
  await unpackLocal(packLocal(`${folder}/from`, 'name'), options(`${folder}/to`));
  expect(await readdir(`${folder}/to`)).toEqual(['empty', 'link', 'sub']);
  expect(await readFile(`${folder}/to/sub/file`, 'utf8')).toHaveLength(100_000);
  expect((await lstat(`${folder}/to/sub/file`)).mode & 0o777).toBe(0o640);
  expect((await lstat(`${folder}/to/sub`)).mode & 0o777).toBe(0o700);
  expect(await readlink(`${folder}/to/link`)).toBe('sub/file');
});

test('hard links stay links to the same file', async () => {
  const entries: Entry[] = [{ name: 'd/a' }, { name: 'd/b', type: 'link', linkname: 'd/a' }];
  await mkdir(`${folder}/d`);
  await unpackLocal(archiveOf(entries), options(`${folder}/d`));
  expect((await lstat(`${folder}/d/a`)).nlink).toBe(2);
});

test.each<[string, Entry[], string]>([
  ['by ".."', [{ name: 'd/../../outside/file' }], 'leads out'],
  [
    'through a symlink of the archive',
    [
      { name: 'd', type: 'directory' },
      { name: 'd/out', type: 'symlink', linkname: '../outside' },
      { name: 'd/out/file' },
    ],
    'is not a directory',
  ],
  [
    'by a hard link to what is outside',
    [
      { name: 'd', type: 'directory' },
      { name: 'd/file', type: 'link', linkname: 'd/../../outside/secret' },
    ],
    'leads out',
  ],
])('nothing is written outside the destination %s', async (_how, entries, reason) => {
  await mkdir(`${folder}/outside`);
  await expect(unpackLocal(archiveOf(entries), options(`${folder}/d`))).rejects.toThrow(reason);
  expect(await readdir(`${folder}/outside`)).toEqual([]);
});

test('a folder never takes the place of a file, nor a file that of a folder', async () => {
  await writeFile(`${folder}/file`, 'kept');
  const overFile = archiveOf([{ name: 'x', type: 'directory' }]);
  await expect(unpackLocal(overFile, options(`${folder}/file`))).rejects.toThrow(
    'cannot overwrite non-directory',
  );
  await mkdir(`${folder}/kept`);
  await expect(unpackLocal(archiveOf([{ name: 'x' }]), options(`${folder}/kept`))).rejects.toThrow(
    'cannot overwrite directory',
  );
  expect(await readFile(`${folder}/file`, 'utf8')).toBe('kept');
});

test('an archive that breaks off is an error', async () => {
  const broken = Readable.from([Buffer.alloc(700, 1)]);
  await expect(unpackLocal(broken, options(`${folder}/x`))).rejects.toThrow();
});

test('a source that cannot be read ends the archive with the reason', async () => {
  const archive = packLocal(`${folder}/missing`, 'x');
  await expect(archive.toArray()).rejects.toThrow('ENOENT');
  await expect(packLocal('/dev/null', 'null').toArray()).rejects.toThrow('/dev/null is a device');
});
