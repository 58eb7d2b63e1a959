import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, rmdir, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { tracesOf } from '../engine/traces.ts';
import { TinyMachines } from './tiny-machines.ts';

const MIB = 1024 ** 2;
const FULL = 'no space left on device: there is no room for';
const NO_ROOM = "the host's disk has no room for what it writes";
const HINT = 'Free space on the file system of the data root, then try again';

describe('a full disk (a tmpfs of 64 MiB)', () => {
  let disk: string;
  let outside: string;
  let machines: TinyMachines;
  const cleanup = new AsyncDisposableStack();

  beforeAll(async () => {
    disk = await mkdtemp(join(tmpdir(), 'full-disk-'));
    cleanup.defer(() => rmdir(disk));
    outside = await mkdtemp(join(tmpdir(), 'beside-full-disk-'));
    cleanup.defer(() => rm(outside, { recursive: true }));
    await runChecked('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
    cleanup.defer(async () => void (await runChecked('umount', [disk])));
    machines = cleanup.use(await TinyMachines.start({ dataRoot: `${disk}/data` }));
    await berth('create', '--from', machines.image, '--format', 'raw', '--network', 'none', 'first'); // makes all folders
    await berth('rm', 'first');
  });
  afterAll(() => cleanup.disposeAsync());

  const berth = (...args: readonly string[]) => machines.berth(...args);

  /** Fills the disk up to so many bytes, which are free again when this is disposed of. */
  async function fillUpTo(free: number): Promise<AsyncDisposable> {
    const { bavail, bsize } = await statfs(disk);
    await writeFile(`${disk}/filler`, Buffer.alloc(bavail * bsize - free));
    return { [Symbol.asyncDispose]: () => rm(`${disk}/filler`) };
  }

  /** Refused with what there was no room for, and nothing is left of it. */
  async function expectRefused(what: string, ...args: readonly string[]): Promise<void> {
    const before = await tracesOf(machines.instance);
    const refusal = await machines.refusal(...args);
    expect(refusal).toContain(what);
    expect(refusal).toContain(HINT);
    expect(await tracesOf(machines.instance)).toEqual(before);
  }

  async function answers(name: string): Promise<void> {
    await using console = await machines.console(name);
    console.type('hello');
    await console.shows('hello');
  }

  it('refuses the snapshot of a machine that runs, which goes on', async () => {
    await machines.run('live', '-m', '128m');
    await berth('snapshot', 'create', 'live', 'before');
    await berth('snapshot', 'rm', 'live', 'before');
    for (const free of [0, 64 * 1024, 256 * 1024, 512 * 1024]) {
      await using _full = await fillUpTo(free);
      await expectRefused(FULL, 'snapshot', 'create', 'live', 'one');
      await answers('live');
      expect(await berth('snapshot', 'ls', '-q', 'live')).toBe('');
    }
    await berth('snapshot', 'create', 'live', 'one');
    await answers('live');
    await berth('rm', '-f', 'live');
  });

  it('holds a machine that writes still, without an error inside, and says so, until there is room', async () => {
    await machines.run('writer', '-m', '128m');
    const { Id } = await machines.client.machines.inspect('writer');
    await using console = await machines.console('writer');
    {
      await using _full = await fillUpTo(0);
      const filters = { type: ['machine'], event: ['pause'] };
      const pauses = await machines.client.system.events({ filters });
      console.type('!');
      const { value: pause } = await pauses.next();
      expect(pause?.Actor).toMatchObject({ ID: Id, Attributes: { reason: NO_ROOM } });
      expect(await machines.client.machines.inspect('writer')).toMatchObject({
        State: { Status: 'paused', Error: NO_ROOM },
      });
      expect(await berth('ls', '--format', '{{.Status}}')).toMatch(/\(Paused\)/);
      expect(await machines.instance.berthOk(['why', 'writer'])).toContain(`It stands still: ${NO_ROOM}`);
      expect(await machines.refusal('exec', 'writer', 'true')).toContain(
        `the machine writer stands still, as ${NO_ROOM}`,
      );
      expect(await berth('start', 'writer')).toBe('writer'); // which finds no room again
    }
    await console.shows('wrote');
    const status = async () => (await machines.client.machines.inspect('writer')).State.Status;
    await expect.poll(status, { timeout: 60_000 }).toBe('running'); // its system is faster than berthd's record
    await berth('snapshot', 'create', 'writer', 'one');
    await berth('rm', '-f', 'writer');
  });

  it('refuses an image, a clone, an export and an import, each of which works once there is room', async () => {
    const [image, archive] = [join(outside, 'image.raw'), join(outside, 'archive.tar')];
    await writeFile(image, randomBytes(12 * MIB));
    const from = ['--from', image, '--network', 'none'];
    const needsRoom = async (what: string, ...args: readonly string[]) => {
      {
        await using _full = await fillUpTo(6 * MIB);
        await expectRefused(what, ...args);
      }
      await berth(...args);
    };
    await needsRoom(`${FULL} the disk image ${image}`, 'create', ...from, 'one');
    await needsRoom(`${FULL} a copy of the disk root`, 'export', '-o', archive, 'one');
    await needsRoom(
      `${FULL} the disks of the machine that is imported`,
      'import',
      '--network',
      'none',
      archive,
      'two',
    );
    await needsRoom(`${FULL} the disk`, 'clone', 'two', 'three');
    expect((await stat(archive)).size).toBeGreaterThan(12 * MIB);
    await berth('rm', 'one', 'two', 'three');
  });
});
