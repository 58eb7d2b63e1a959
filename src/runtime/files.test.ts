import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack as tarPack } from 'tar-stream';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runChecked } from '../base/index.ts';
import type { FileWorker } from './contract.ts';
import { connectFileWorker, packChanges, unpackInto } from './files.ts';
import { TreeRemover } from './tree-remover.ts';

const native = join(import.meta.dirname, '../../native/build');
const isRoot = process.getuid?.() === 0;

let folder: string;

beforeAll(() => runChecked('make', ['-C', join(import.meta.dirname, '../../native'), 'build/berth-fs']));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-files-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(!isRoot)('the file worker (needs root)', () => {
  let root: string;
  let child: ChildProcess;
  let worker: FileWorker;

  beforeEach(async () => {
    root = join(folder, 'root');
    await mkdir(root);
    ({ child, worker } = await startWorker(root, join(folder, 'socket')));
  });
  afterEach(async () => {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    await worker[Symbol.asyncDispose]();
    await ended;
    expect(child.exitCode).toBe(0);
  });

  test('stat tells type, owner, mode and target, and undefined where nothing is', async () => {
    await writeFile(join(root, 'file'), 'hello', { mode: 0o640 });
    await symlink('/file', join(root, 'link'));
    expect(await worker.stat('/file')).toMatchObject({ type: 'file', size: 5, mode: 0o640, uid: 0, gid: 0 });
    expect(await worker.stat('/link')).toMatchObject({ type: 'symlink', linkTarget: '/file' });
    expect(await worker.stat('/link', { follow: true })).toMatchObject({ type: 'file', size: 5 });
    expect(await worker.stat('/file/below')).toBeUndefined();
    expect(await worker.stat('/missing')).toBeUndefined();
    expect((await worker.stat('/'))?.type).toBe('directory');
  });

  test('paths and symlinks never lead out of the root', async () => {
    await symlink('/etc', join(root, 'absolute'));
    await symlink('../../../../../../etc', join(root, 'relative'));
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'etc/passwd'), 'inside');
    for (const path of [
      '/absolute/passwd',
      '/relative/passwd',
      '/../../etc/passwd',
      'etc/../../etc/passwd',
    ]) {
      expect((await worker.readFile(path)).toString()).toBe('inside');
    }
    await worker.makeDirectory('/relative/new');
    expect(await readdir(join(root, 'etc'))).toContain('new');
  });

  test('makeDirectory makes the missing folders and leaves existing ones alone', async () => {
    await mkdir(join(root, 'there'), { mode: 0o700 });
    await worker.makeDirectory('/there/a/b', { uid: 12, gid: 34 });
    await worker.makeDirectory('/there/a/b', { uid: 99, gid: 99 });
    expect(await worker.stat('/there')).toMatchObject({ mode: 0o700, uid: 0 });
    expect(await worker.stat('/there/a')).toMatchObject({ mode: 0o755, uid: 12, gid: 34 });
    expect(await worker.stat('/there/a/b')).toMatchObject({ mode: 0o755, uid: 12, gid: 34 });
  });

  test('makeDirectory refuses a way over a file', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(worker.makeDirectory('/file/a')).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('readHead gives the beginning of a file, however long it is', async () => {
    await writeFile(join(root, 'long'), `head${'x'.repeat(20_000_000)}`);
    expect((await worker.readHead('/long', 4)).toString()).toBe('head');
    await writeFile(join(root, 'short'), 'ab');
    expect((await worker.readHead('/short', 4096)).toString()).toBe('ab');
    await expect(worker.readHead('/', 4)).rejects.toMatchObject({ kind: 'invalid' });
    await expect(worker.readHead('/missing', 4)).rejects.toMatchObject({ kind: 'not-found' });
  });

  test('list gives the names in a folder, none for an empty one', async () => {
    await mkdir(join(root, 'folder/empty'), { recursive: true });
    for (const name of ['b', '.hidden', 'a b']) await writeFile(join(root, 'folder', name), '');
    expect(await worker.list('/folder')).toEqual(['.hidden', 'a b', 'b', 'empty']);
    expect(await worker.list('/folder/empty')).toEqual([]);
    await expect(worker.list('/missing')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(worker.list('/folder/b')).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('readFile refuses what is missing, too long or no regular file', async () => {
    await writeFile(join(root, 'long'), 'x'.repeat(100));
    await expect(worker.readFile('/missing')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(worker.readFile('/long', 99)).rejects.toMatchObject({ kind: 'invalid' });
    expect(await worker.readFile('/long', 100)).toHaveLength(100);
    await expect(worker.readFile('/')).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('what is packed is unpacked the same', async () => {
    await runChecked('sh', ['-c', EVERY_KIND_OF_FILE], { cwd: root });
    const archive = await buffer(await worker.pack('/tree', { as: 'copy' }));
    await worker.unpack('/other/place', Readable.from([archive]));
    const [one, two] = await Promise.all([
      describeTree(join(root, 'tree')),
      describeTree(join(root, 'other/place/copy')),
    ]);
    expect(two).toEqual(one);
    expect(await buffer(await worker.pack('/other/place/copy'))).toEqual(archive);
  });

  test('large archives travel through both directions with back-pressure', async () => {
    await mkdir(join(root, 'big'));
    await writeFile(join(root, 'big/zeros'), Buffer.alloc(20 * 1024 * 1024, 7));
    await mkdir(join(folder, 'second'));
    const second = await startWorker(join(folder, 'second'), join(folder, 'socket2'));
    await second.worker.unpack('/', await worker.pack('/big'));
    expect((await second.worker.stat('/big/zeros'))?.size).toBe(20 * 1024 * 1024);
    await second.worker[Symbol.asyncDispose]();
  });

  test('an owner given for unpacking replaces those in the archive', async () => {
    await worker.unpack('/in', archiveOf([{ name: 'a/b', uid: 5, gid: 6 }]), { owner: { uid: 7, gid: 8 } });
    expect(await worker.stat('/in/a/b')).toMatchObject({ uid: 7, gid: 8 });
    expect(await worker.stat('/in/a')).toMatchObject({ uid: 7, gid: 8 });
    expect(await worker.stat('/in')).toMatchObject({ uid: 7, gid: 8 });
  });

  test('existing folders keep their mode, also behind a symlink', async () => {
    await mkdir(join(root, 'usr/lib'), { recursive: true, mode: 0o700 });
    await symlink('usr/lib', join(root, 'lib'));
    await worker.unpack('/', archiveOf([{ name: 'lib', type: 'directory', mode: 0o777 }, { name: 'lib/x' }]));
    expect(await worker.stat('/lib')).toMatchObject({ type: 'symlink' });
    expect(await worker.stat('/usr/lib')).toMatchObject({ mode: 0o700 });
    expect(await worker.stat('/usr/lib/x')).toMatchObject({ type: 'file' });
  });

  test('a folder is never replaced by a file, nor a file by a folder', async () => {
    await mkdir(join(root, 'a'));
    await writeFile(join(root, 'b'), '');
    await expect(worker.unpack('/', archiveOf([{ name: 'a' }]))).rejects.toThrow(
      'cannot overwrite directory "/a" with non-directory "a"',
    );
    await expect(worker.unpack('/', archiveOf([{ name: 'b', type: 'directory' }]))).rejects.toThrow(
      'cannot overwrite non-directory "/b" with directory "b"',
    );
  });

  test('hostile entries are refused by name', async () => {
    await expect(worker.unpack('/in', archiveOf([{ name: '../../evil' }]))).rejects.toThrow('"../../evil"');
    await expect(
      worker.unpack('/in', archiveOf([{ name: 'x', type: 'link', linkname: '../../etc/shadow' }])),
    ).rejects.toThrow('"../../etc/shadow"');
    await expect(worker.unpack('/in', Readable.from([Buffer.alloc(1024, 'x')]))).rejects.toMatchObject({
      kind: 'invalid',
      message: 'this is not a tar archive: a header has a wrong checksum',
    });
    const escaping = archiveOf([{ name: 'out', type: 'symlink', linkname: folder }, { name: 'out/evil' }]);
    await expect(worker.unpack('/in', escaping)).rejects.toThrow('the folder /in/out cannot be opened');
    expect(await readdir(folder)).not.toContain('evil');
    expect(await worker.stat('/in')).toBeDefined();
  });

  test('a truncated archive is an error that names the entry', async () => {
    const whole = await buffer(archiveOf([{ name: 'half', content: 'x'.repeat(1000) }]));
    await expect(worker.unpack('/', Readable.from([whole.subarray(0, 1000)]))).rejects.toThrow(
      'inside "half"',
    );
  });

  test('the worker goes on after failures, cancelled packs and broken input streams', async () => {
    await writeFile(join(root, 'big'), Buffer.alloc(8 * 1024 * 1024));
    await expect(worker.pack('/missing')).rejects.toMatchObject({ kind: 'not-found' });
    const abandoned = await worker.pack('/big');
    abandoned.on('error', () => {});
    (abandoned as Readable).destroy();
    const abort = new AbortController();
    const aborted = buffer(await worker.pack('/big', { signal: abort.signal }));
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ kind: 'cancelled' });
    const broken = new Readable({
      read() {
        this.destroy(new Error('the sender broke off'));
      },
    });
    await expect(worker.unpack('/', broken)).rejects.toThrow('the sender broke off');
    const long = archiveOf([{ name: '../bad' }, { name: 'long', content: 'x'.repeat(1024 * 1024) }]);
    await expect(worker.unpack('/', long)).rejects.toThrow('"../bad"');
    expect(await worker.stat('/big')).toMatchObject({ type: 'file' });
  });

  test('requests fail with a reason when the worker is killed', async () => {
    const second = await startWorker(root, join(folder, 'socket2'));
    second.child.kill('SIGKILL');
    await once(second.child, 'exit');
    await expect(second.worker.stat('/')).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

test('connecting to nobody is refused', async () => {
  await expect(connectFileWorker(join(folder, 'nobody'))).rejects.toMatchObject({ kind: 'unavailable' });
});

describe.skipIf(!isRoot)('layer changes (needs root and overlayfs)', () => {
  test('deletions and replaced folders become whiteouts, and overlay attributes stay out', async () => {
    await runChecked('sh', ['-ec', OVERLAY_CHANGES], { cwd: folder });
    const archive = await buffer(await packChanges(native, join(folder, 'upper')));
    expect(await buffer(await packChanges(native, join(folder, 'upper')))).toEqual(archive);
    const { worker } = await startWorker(folder, join(folder, 'changes-socket'));
    expect(await buffer(await worker.packChanges('/upper'))).toEqual(archive);
    await expect(worker.packChanges('/missing')).rejects.toMatchObject({ kind: 'not-found' });
    const names = await runChecked('tar', ['tf', '-'], { input: archive });
    expect(names.stdout.toString().trim().split('\n')).toEqual([
      '.wh.gone',
      'kept/',
      'kept/link',
      'kept/new',
      'opaque/',
      'opaque/.wh..wh..opq',
      'opaque/new',
    ]);
    expect(archive.includes('overlay')).toBe(false);
  });

  test('a folder that is missing fails the stream with the reason', async () => {
    await expect(packChanges(native, join(folder, 'missing')).then(buffer)).rejects.toMatchObject({
      kind: 'not-found',
    });
  });

  test('a name that would read as a deletion is refused', async () => {
    await writeFile(join(folder, '.wh.trick'), '');
    await expect(packChanges(native, folder).then(buffer)).rejects.toThrow('.wh.trick cannot be in a layer');
  });
});

describe('trees on the host', () => {
  test('are removed whole, no link is followed, and a missing one is fine', async () => {
    await using trees = new TreeRemover(native);
    await mkdir(join(folder, 'tree/a/b'), { recursive: true, mode: 0o500 });
    await writeFile(join(folder, 'outside'), 'stays');
    await symlink(folder, join(folder, 'tree/link'));
    await trees.remove(join(folder, 'tree'));
    await trees.remove(join(folder, 'tree'));
    expect(await readdir(folder)).toEqual(['outside']);
    await expect(trees.remove('/')).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('are removed many at a time, and one that cannot be removed fails alone', async () => {
    await using trees = new TreeRemover(native);
    const names = Array.from({ length: 50 }, (_, index) => join(folder, `tree-${index}`));
    for (const name of names) await mkdir(join(name, 'a/b'), { recursive: true });
    const removals = names.flatMap((name) => [trees.remove(name), trees.remove('relative')]);
    const results = await Promise.allSettled(removals);
    const failed = results.filter(({ status }) => status === 'rejected');
    expect(failed).toHaveLength(50);
    expect(await readdir(folder)).toEqual([]);
  });

  test('cannot be removed without berth-fs, and that is said', async () => {
    await using trees = new TreeRemover(join(folder, 'nowhere'));
    await expect(trees.remove(join(folder, 'tree'))).rejects.toThrow('berth-fs could not be started');
  });

  test.skipIf(!isRoot)('are removed up to a mount, whose content stays (needs root)', async () => {
    await using trees = new TreeRemover(native);
    await mkdir(join(folder, 'tree/mounted'), { recursive: true });
    await runChecked('mount', ['-t', 'tmpfs', 'none', join(folder, 'tree/mounted')]);
    try {
      await writeFile(join(folder, 'tree/mounted/precious'), '');
      await expect(trees.remove(join(folder, 'tree'))).rejects.toThrow('mounted is a mount point');
      expect(await readdir(join(folder, 'tree/mounted'))).toEqual(['precious']);
    } finally {
      await runChecked('umount', [join(folder, 'tree/mounted')]);
    }
  });

  test.skipIf(!isRoot)(
    'unpackInto reads archives of GNU tar with long names and attributes (needs root)',
    async () => {
      const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`;
      await mkdir(join(folder, 'from', 'd'.repeat(120)), { recursive: true });
      await writeFile(join(folder, 'from', long), 'content');
      await symlink('t'.repeat(150), join(folder, 'from/link'));
      for (const format of ['gnu', 'pax']) {
        const to = join(folder, `to-${format}`);
        await mkdir(to);
        const { stdout } = await runChecked('tar', [
          '-C',
          join(folder, 'from'),
          `--format=${format}`,
          '-c',
          '.',
        ]);
        await unpackInto(native, to, Readable.from([stdout]));
        expect(await readFile(join(to, long), 'utf8')).toBe('content');
        expect(await readlink(join(to, 'link'))).toBe('t'.repeat(150));
        const [before, after] = await Promise.all([stat(join(folder, 'from', long)), stat(join(to, long))]);
        expect(Math.floor(after.mtimeMs / 1000)).toBe(Math.floor(before.mtimeMs / 1000));
      }
    },
  );

  test.skipIf(!isRoot)('unpackInto reports the reason rather than the broken pipe (needs root)', async () => {
    const hostile = archiveOf([{ name: 'a/../../b' }, { name: 'c', content: 'x'.repeat(500_000) }]);
    await expect(unpackInto(native, folder, hostile)).rejects.toThrow('"a/../../b" leads out');
  });
});

const EVERY_KIND_OF_FILE = `
mkdir -p tree/sub tree/empty; chmod 1777 tree/sub
echo content > tree/sub/file; chmod 4750 tree/sub/file; chown 1234:4000000 tree/sub/file
ln tree/sub/file tree/zlink; ln -s ../up tree/symlink
mkfifo -m 600 tree/fifo; mknod tree/null c 1 3; mknod tree/disk b 7 300
touch -d '2001-02-03 04:05:06.123456789 UTC' tree/sub/file
touch -h -d '1965-01-01 00:00:00.5 UTC' tree/symlink; touch -d '1999-01-01 UTC' tree/empty
echo x > "tree/$(printf 'long%.0s' $(seq 40))"; echo y > 'tree/ünï
cödé'
`;

const OVERLAY_CHANGES = `
mkdir lower upper work merged lower/kept lower/opaque; touch lower/gone lower/kept/old lower/opaque/old
unshare -m sh -ec '
  mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=off,metacopy=off,index=off none merged
  cd merged; rm gone; rm -r opaque; mkdir opaque; touch opaque/new kept/new; ln kept/new kept/link
  chown 33 opaque'
`;

/** One line for each file: everything that an archive carries. */
async function describeTree(path: string): Promise<string> {
  const format = '%P|%y|%m|%U|%G|%s|%n|%T@|%l\\n';
  const { stdout } = await runChecked('find', [path, '-mindepth', '1', '-printf', format]);
  return stdout.toString().split('\n').sort().join('\n');
}

interface ArchiveEntry {
  readonly name: string;
  readonly content?: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link';
  readonly linkname?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

function archiveOf(entries: readonly ArchiveEntry[]): Readable {
  const archive = tarPack();
  // Whoever stops reading throws the reason into the archive and its entries, where nobody else listens.
  for (const part of [
    archive,
    ...entries.map(({ content = '', ...header }) => archive.entry(header, content)),
  ])
    part.on('error', () => {});
  archive.finalize();
  return Readable.from(archive);
}

async function startWorker(
  root: string,
  socketPath: string,
): Promise<{ child: ChildProcess; worker: FileWorker }> {
  const child = spawn(join(native, 'berth-fs'), ['serve', root, socketPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data'); // "ready"
  return { child, worker: await connectFileWorker(socketPath) };
}
