import { readFile, stat, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { digestOf, runChecked } from '../../../base/index.ts';
import type { ComputerDisk } from '../contract.ts';
import { TarArchives } from './machine-archives.ts';
import { imageName } from './node-options.ts';
import { QemuImg } from './qemu-img.ts';
import { DiskWorkshop } from './testing/disk-images.ts';

const MIB = 1024 ** 2;

let workshop: DiskWorkshop;
let archives: TarArchives;
let disks: ComputerDisk[];
let exported: Buffer;
beforeAll(async () => {
  workshop = await DiskWorkshop.open();
  const { temporary, disks: machineDisks } = workshop;
  const qemuImg = new QemuImg(process.env.PATH ?? '');
  archives = new TarArchives({ temporary, disks: machineDisks, qemuImg });
  const path = await workshop.qcow2('system.qcow2');
  using taken = await workshop.store.take({ kind: 'file', path, format: undefined });
  disks = [
    { name: 'root', path: workshop.file('root.qcow2'), backing: [taken.image] },
    { name: 'data', path: workshop.file('data.qcow2'), backing: [] },
  ];
  for (const { path: file, backing } of disks) {
    await machineDisks.create(file, {
      size: 80 * MIB,
      backing: backing.length > 0 ? taken.image : undefined,
    });
  }
  await workshop.write('data.qcow2', 0x66, '70M 64k');
  await writeFile(workshop.file('variables'), 'boot order');
  exported = await buffer(
    await archives.export({ description, disks, variables: workshop.file('variables') }),
  );
});
afterAll(() => workshop[Symbol.asyncDispose]());
beforeEach(async () => expect(await workshop.leftovers()).toEqual([]));

const description = { name: 'db', hardware: { model: 'q35', cpus: 2 }, disks: ['root', 'data'] };

const restore = (archive: Buffer) => archives.import(Readable.from([archive]));

/** What is on a disk that stands on nothing. */
const read = (path: string, pattern: string) =>
  runChecked('qemu-io', ['-c', `read -P ${pattern}`, imageName({ path, format: 'qcow2' })]);

describe('an exported machine', () => {
  test('comes back with all its disks, which stand on nothing', async () => {
    await using machine = await restore(exported);
    expect(machine).toMatchObject({
      description,
      disks: [
        { name: 'root', size: 80 * MIB },
        { name: 'data', size: 80 * MIB },
      ],
      hasVariables: true,
    });
    const [root, data] = [workshop.file('back-root.qcow2'), workshop.file('back-data.qcow2')];
    await machine.placeDisk('root', root);
    await machine.placeDisk('data', data);
    await machine.placeVariables(workshop.file('back-variables'));
    await read(root, '0xa5 0 1M');
    await read(root, '0 1M 79M');
    await read(data, '0x66 70M 64k');
    expect(await readFile(workshop.file('back-variables'), 'utf8')).toBe('boot order');
    expect((await stat(root)).mode & 0o777).toBe(0o600);
    await workshop.write('back-root.qcow2', 0x77, '2M 64k'); // is a disk like any other
  });

  test('is one tar that other programs read, with compressed disks', async () => {
    await writeFile(workshop.file('machine.tar'), exported);
    const { stdout } = await runChecked('tar', ['-tf', workshop.file('machine.tar')]);
    expect(stdout.toString()).toBe('machine.json\ndisks/root.qcow2\ndisks/data.qcow2\nvariables.fd\n');
    expect(exported.length).toBeLessThan(MIB);
  });

  test('leaves nothing when its reader leaves early, or its disk cannot be read', async () => {
    const stream = await archives.export({ description, disks, variables: undefined });
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.once('data', () => stream.destroy());
    await closed;
    expect(await workshop.leftovers()).toEqual([]);
    const missing = [{ name: 'root', path: workshop.file('missing.qcow2'), backing: [] }];
    await expect(archives.export({ description, disks: missing, variables: undefined })).rejects.toThrow();
  });

  test('that is not placed is gone when it is let go', async () => {
    const machine = await restore(exported);
    expect((await workshop.leftovers()).length).toBe(3);
    await machine[Symbol.asyncDispose]();
  });
});

interface Part {
  readonly name: string;
  readonly content?: Buffer;
  readonly type?: 'symlink' | 'link' | 'directory' | 'character-device';
  readonly linkname?: string;
}

async function tar(...parts: readonly Part[]): Promise<Buffer> {
  const archive = pack();
  for (const { name, content = Buffer.alloc(0), type = 'file', linkname } of parts) {
    archive.entry({ name, type, ...(linkname === undefined ? {} : { linkname }) }, content);
  }
  archive.finalize();
  return buffer(archive as AsyncIterable<Buffer>);
}

/** The index of a machine with one disk, and that disk. */
function parts(disk: Buffer, changes: object = {}, size = 64 * MIB): [Part, Part] {
  const root = { name: 'root', size, bytes: disk.length, sha256: digestOf(disk), ...changes };
  const index = { format: 'berth-machine', version: 1, description, disks: [root] };
  return [
    { name: 'machine.json', content: Buffer.from(JSON.stringify(index)) },
    { name: 'disks/root.qcow2', content: disk },
  ];
}

describe('an archive is refused, and nothing of it is left,', () => {
  const refused = (archive: Buffer, message: string | RegExp) =>
    expect(restore(archive)).rejects.toMatchObject({
      kind: 'invalid',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });

  test('that is no tar, empty, or cut off', async () => {
    await refused(Buffer.alloc(2000, 'x'), /^the archive is no tar, damaged or cut off/);
    await refused(Buffer.alloc(0), 'the archive is empty');
    await refused(exported.subarray(0, exported.length / 2), /^the archive is (no tar, damaged or )?cut off/);
    const [index] = parts(Buffer.from('disk'));
    await refused(await tar(index), 'the archive is cut off: disks/root.qcow2 is missing');
  });

  test("that is no machine's, or of a newer format", async () => {
    await refused(
      await tar({ name: 'manifest.json' }),
      'the archive begins with "manifest.json" instead of machine.json, so it is no machine\'s',
    );
    const named = (text: string) => tar({ name: 'machine.json', content: Buffer.from(text) });
    await refused(await named('{'), 'machine.json in the archive is no JSON');
    await refused(await named('[]'), 'machine.json in the archive describes no machine');
    await refused(
      await named('{"format":"berth-machine","version":2}'),
      'the archive has format 2; this berth reads format 1',
    );
  });

  test.each([
    [{ name: '../../etc/cron.d/x' }],
    [{ name: '/etc/passwd' }],
    [{ name: '' }],
    [{ size: -1 }],
    [{ size: 2 ** 60 }],
    [{ bytes: 1.5 }],
    [{ sha256: 'md5:1' }],
  ])('whose index says %j', async (changes) => {
    await refused(
      await tar(...parts(Buffer.from('disk'), changes)),
      /^machine.json in the archive is damaged: /,
    );
  });

  test('that holds other files than its index names, or one twice', async () => {
    const disk = Buffer.from('disk');
    const [index, root] = parts(disk);
    for (const name of ['../outside', '/etc/passwd', 'disks/../../x', 'disks/other.qcow2']) {
      await refused(
        await tar(index, { name, content: disk }),
        `the archive holds ${JSON.stringify(name)}, which its index does not name`,
      );
    }
    await refused(await tar(index, root, root), 'the archive holds disks/root.qcow2 twice');
  });

  test('that holds links or devices', async () => {
    const [index] = parts(Buffer.from('disk'));
    for (const type of ['symlink', 'link', 'directory', 'character-device'] as const) {
      await refused(
        await tar(index, { name: 'disks/root.qcow2', type, linkname: '/etc/shadow' }),
        `the archive holds "disks/root.qcow2", which is no regular file (${type})`,
      );
    }
  });

  test('whose disk has another length or sha256', async () => {
    const [index] = parts(Buffer.from('disk'));
    await refused(
      await tar(index, { name: 'disks/root.qcow2', content: Buffer.from('longer') }),
      'disks/root.qcow2 in the archive has 6 bytes instead of 4',
    );
    await refused(
      await tar(index, { name: 'disks/root.qcow2', content: Buffer.from('risk') }),
      /^disks\/root.qcow2 in the archive has another content than was promised/,
    );
  });

  test('whose disk is no sound qcow2 image, names another file, or has another size', async () => {
    await refused(
      await tar(...parts(Buffer.from('disk'))),
      'disks/root.qcow2 in the archive is no qcow2 image',
    );
    const whole = await readFile(await workshop.qcow2('whole.qcow2'));
    await refused(
      await tar(...parts(whole, {}, 65 * MIB)),
      `disks/root.qcow2 in the archive is a disk of ${64 * MIB} bytes instead of ${65 * MIB}`,
    );
    await workshop.qemuImg('rebase', '-u', '-f', 'qcow2', '-b', '/etc/shadow', '-F', 'raw', 'whole.qcow2');
    await refused(
      await tar(...parts(await readFile(workshop.file('whole.qcow2')))),
      /^disks\/root.qcow2 in the archive has a backing file/,
    );
    await refused(await tar(...parts(whole.subarray(0, 800_000))), /is damaged or cut off/);
  });

  test('when its stream breaks off or the caller gives up', async () => {
    const broken = Readable.from(
      (async function* () {
        yield exported.subarray(0, 2000);
        throw new Error('connection reset');
      })(),
    );
    await expect(archives.import(broken)).rejects.toThrow('connection reset');
    const endless = new Readable({ read() {} });
    endless.push(exported.subarray(0, 20_000));
    const abort = new AbortController();
    const importing = archives.import(endless, abort.signal);
    abort.abort();
    await expect(importing).rejects.toMatchObject({ name: 'AbortError' });
    expect(endless.destroyed).toBe(true);
  });
});
