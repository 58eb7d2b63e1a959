import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown, lstat, mkdir, readdir, readFile, readlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect, ended, readUntil } from '../../src/runtime/test-instance.ts';
import {
  VM_AGENT_DESCRIPTOR,
  VM_FILE_SERVER_DESCRIPTOR,
  VM_GUEST_AGENT_DESCRIPTOR,
  VM_MEMORY_DESCRIPTOR,
  VM_QMP_DESCRIPTOR,
  VM_STATE_DESCRIPTOR,
  type VmMachine,
} from '../../src/vm/vm-plan.ts';
import { HandMadeMachines, privateKilobytes, type RunningMachine, UID_BASE } from './hand-made-machine.ts';

/** chown, dac_override, dac_read_search, fowner and fsetid: what giving files their owners takes. */
const FILE_CAPABILITIES = '000000000000001f';
/** kill and sys_resource. */
const MONITOR_CAPABILITIES = 0x0100_0020n;
const NONE = '0000000000000000';

let machines: HandMadeMachines;
let machine: RunningMachine;
let qemu: number;

beforeAll(async () => {
  machines = await HandMadeMachines.create();
  machine = await machines.start({ args: ['/bin/sh', '-c', 'echo up; exec sleep 1000'] });
  await readUntil(machine.session, 'up');
  qemu = await machine.qemu();
});
afterAll(async () => {
  await machine.supervisor.signal(9);
  await ended(machine.supervisor);
  await machines[Symbol.asyncDispose]();
});

/** The plan of these machines has no use for them. */
const NOT_USED = [
  VM_STATE_DESCRIPTOR,
  VM_GUEST_AGENT_DESCRIPTOR,
  VM_FILE_SERVER_DESCRIPTOR,
  VM_MEMORY_DESCRIPTOR,
];

/** What each of a process's descriptors leads to. */
async function descriptorsOf(pid: number): Promise<ReadonlyMap<number, string>> {
  const folder = `/proc/${pid}/fd`;
  const entries = (await readdir(folder)).map(async (fd) => {
    // One that is closed meanwhile leads nowhere.
    return [Number(fd), await readlink(`${folder}/${fd}`).catch(() => '')] as const;
  });
  return new Map((await Promise.all(entries)).filter(([, target]) => target !== ''));
}

async function statusOf(pid: number): Promise<Record<string, string>> {
  const lines = (await readFile(`/proc/${pid}/status`, 'utf8')).split('\n');
  return Object.fromEntries(lines.map((line) => line.split(':\t') as [string, string]));
}

describe("a virtual machine's QEMU", () => {
  test('is a user of its own without capabilities, privileges to gain, or system calls beyond its own', async () => {
    const status = await statusOf(qemu);
    const ids = Array.from({ length: 4 }, () => UID_BASE).join('\t');
    expect(status).toMatchObject({ Uid: ids, Gid: ids, NoNewPrivs: '1', Seccomp: '2' });
    expect(status.Groups?.trim()).toBe('');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect([set, status[set]]).toEqual([set, NONE]);
  });

  test('sees no file of the host but those of its plan', async () => {
    const root = `/proc/${qemu}/root`;
    const top = (await readdir(root)).sort();
    expect(
      top.filter(
        (name) =>
          !['dev', 'disk', 'etc', 'initramfs', 'kernel', 'lib', 'lib64', 'proc', 'shares', 'usr'].includes(
            name,
          ),
      ),
    ).toEqual([]);
    expect((await readdir(`${root}/dev`)).sort()).toEqual(['null', 'urandom']);
    expect(await readdir(`${root}/usr/bin`)).toEqual(['qemu-system-x86_64']);
    expect((await readdir(`${root}/proc`)).filter((name) => /^\d+$/.test(name))).toEqual(['1']);
    await expect(lstat(`${root}/etc/passwd`)).rejects.toThrow('ENOENT');
    await expect(lstat(`${root}/proc/sys`)).rejects.toThrow('ENOENT');
  });

  test('can write to nothing that it is not given to write to', async () => {
    const lines = (await readFile(`/proc/${qemu}/mountinfo`, 'utf8')).trim().split('\n');
    const writable = lines
      .filter((line) => line.split(' ')[5]?.startsWith('rw'))
      .map((line) => line.split(' ')[4]);
    expect(writable).toEqual(['/proc']);
  });

  test('has namespaces of its own, and no network in its', async () => {
    for (const name of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts']) {
      expect(await readlink(`/proc/${qemu}/ns/${name}`)).not.toBe(
        await readlink(`/proc/${machine.pid}/ns/${name}`),
      );
    }
    const interfaces = (await readFile(`/proc/${qemu}/net/dev`, 'utf8')).trim().split('\n').slice(2);
    expect(interfaces.map((line) => line.trim().split(':')[0])).toEqual(['lo']);
  });

  test('has no descriptor but its channels and its files', async () => {
    const own = await descriptorsOf(qemu);
    const monitors = new Set((await descriptorsOf(machine.pid)).values());
    const named = [...own].map(([number, target]) => {
      // The other end of a pipe is the same inode; that of a socket has another one.
      if (target.startsWith('pipe:'))
        return `${number} is a pipe to ${monitors.has(target) ? 'the monitor' : '?'}`;
      if (target.startsWith('socket:')) return `${number} is a socket`;
      if (target === '/dev/null') return `${number} is nothing`;
      return target;
    });
    const files = ['head', 'tail', 'vmdk'].map((end) => `/disk/layers.${end}`);
    expect(named.filter((name) => name !== 'anon_inode:[eventfd]').sort()).toEqual(
      [
        ...['0 is nothing', '1 is a pipe to the monitor', '2 is a pipe to the monitor'],
        ...[VM_AGENT_DESCRIPTOR, VM_QMP_DESCRIPTOR].map((number) => `${number} is a socket`),
        ...NOT_USED.map((number) => `${number} is nothing`),
        ...['anon_inode:[signalfd]', '/disk/layer-0', ...files, '/shares'],
      ].sort(),
    );
  });

  test('makes no file longer than its plan lets it, as it could if its guest took it over', async () => {
    const SIZE = 1024 ** 2;
    const disk = join(machines.instance.folder, 'growing');
    await writeFile(disk, '');
    await truncate(disk, SIZE);
    const grow = (fileSizeLimit: number | undefined) => (good: VmMachine) => {
      const node = { 'node-name': 'growing', driver: 'raw', file: { driver: 'file', filename: '/growing' } };
      const script = [
        ...good.script.slice(0, -1),
        { command: { execute: 'blockdev-add', arguments: node } },
        { command: { execute: 'block_resize', arguments: { 'node-name': 'growing', size: 2 * SIZE } } },
        ...good.script.slice(-1),
      ];
      const files = [...good.files, { hostPath: disk, name: '/growing', writable: true, idmap: true }];
      return [{ ...good, files, script, fileSizeLimit }];
    };
    const limited = await machines.prepare({ machines: grow(SIZE) });
    await expect(limited.supervisor.run()).rejects.toThrow('Could not resize file: File too large');
    await ended(limited.supervisor);
    expect((await lstat(disk)).size).toBe(SIZE);

    const free = await machines.start({ machines: grow(undefined) });
    await ended(free.supervisor);
    expect((await lstat(disk)).size).toBe(2 * SIZE);
  });

  test('ends with its monitor, however that ends', async () => {
    const other = await machines.start({ args: ['/bin/sh', '-c', 'echo up; exec sleep 1000'] });
    await readUntil(other.session, 'up');
    const pid = await other.qemu();
    process.kill(other.pid, 'SIGKILL');
    await ended(other.supervisor);
    await expect(lstat(`/proc/${pid}`)).rejects.toThrow('ENOENT');
  });
});

describe("a virtual machine's monitor", () => {
  test('keeps only what ending QEMU and enlarging pipes takes, and few system calls', async () => {
    const monitor = await statusOf(machine.pid);
    expect(monitor).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
    const more = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].filter((set) => {
      return (BigInt(`0x${monitor[set]}`) & ~MONITOR_CAPABILITIES) !== 0n;
    });
    expect(more).toEqual([]);
    await using exec = await machine.exec(['echo', 'it works']);
    expect((await collect(exec)).stdout).toBe('it works\n');
  });
});

describe('a shared folder', () => {
  test('keeps owners, is written to as by a container, and only where it may be', async () => {
    const folder = join(machines.instance.folder, 'shared');
    const fixed = join(machines.instance.folder, 'fixed');
    for (const path of [folder, fixed]) await mkdir(path);
    await writeFile(join(folder, 'theirs'), 'of 1000\n', { mode: 0o600 });
    await chown(join(folder, 'theirs'), 1000, 1000);
    await writeFile(join(fixed, 'file'), 'fixed\n');
    const script = [
      'cat /data/theirs; ls -ln /data/theirs | cut -d" " -f 1-20',
      'echo mine > /data/mine; echo 1000 > /data/given; chown 1000:1000 /data/given; chmod 640 /data/given',
      'cat /fixed/file; echo no > /fixed/file; ls /data/..',
    ];
    const shared = await machines.start({
      args: ['/bin/sh', '-c', `${script.join('; ')}; echo up; exec sleep 1000`],
      shares: [
        { hostPath: folder, name: '/shares/0', writable: true, idmap: true },
        { hostPath: fixed, name: '/shares/1', idmap: true },
      ],
      setup: {
        mounts: [
          { type: 'share', source: '/0', destination: '/data', options: [] },
          { type: 'share', source: '/1', destination: '/fixed', options: [] },
        ],
      },
    });
    const text = await readUntil(shared.session, 'up');
    expect(text).toMatch(/of 1000\n-rw-------\s+1 1000\s+1000/);
    expect(text).toContain('Read-only file system');
    expect(await lstat(join(folder, 'mine'))).toMatchObject({ uid: 0, gid: 0 });
    expect(await lstat(join(folder, 'given'))).toMatchObject({ uid: 1000, gid: 1000, mode: 0o100640 });
    expect(await readFile(join(fixed, 'file'), 'utf8')).toBe('fixed\n');
    expect(await statusOf(await shared.qemu())).toMatchObject({
      CapEff: FILE_CAPABILITIES,
      CapBnd: FILE_CAPABILITIES,
    });
    await shared.supervisor.signal(9);
    await ended(shared.supervisor);
  });

  test('of a file system that cannot map owners is refused by its name', async () => {
    const { supervisor } = await machines.prepare({
      shares: [{ hostPath: '/proc/sys', name: '/shares/0', writable: true, idmap: true }],
    });
    await expect(supervisor.run()).rejects.toThrow('/proc/sys cannot be given to a virtual machine');
    await ended(supervisor);
  });

  test.each([
    ['a device', ['mknod', 'c', '1', '3']],
    ['a block device', ['mknod', 'b', '7', '0']],
    ['a named pipe', ['mknod', 'p']],
  ])('that has become %s since it was checked is refused', async (_, [program = '', ...numbers]) => {
    const path = join(machines.instance.folder, `file-${numbers.join('-')}`);
    expect(spawnSync(program, [path, ...numbers]).status).toBe(0);
    const { supervisor } = await machines.prepare({
      shares: [{ hostPath: path, name: '/shares/0/file', writable: true, idmap: true }],
    });
    await expect(supervisor.run()).rejects.toThrow('it is neither a file nor a folder');
    await ended(supervisor);
  });

  test('that has become a socket since it was checked is refused', async () => {
    const path = join(machines.instance.folder, 'file-socket');
    await using server = createServer();
    await once(server.listen(path), 'listening');
    const { supervisor } = await machines.prepare({
      shares: [{ hostPath: path, name: '/shares/0/file', writable: true, idmap: true }],
    });
    await expect(supervisor.run()).rejects.toThrow('it is neither a file nor a folder');
    await ended(supervisor);
  });
});

describe('a guest that wants to harm', () => {
  test('floods its output and its console, and its monitor stays small', async () => {
    const flood = await machines.start({
      args: ['/bin/sh', '-c', 'cat /dev/zero > /dev/kmsg & exec cat /dev/zero'],
    });
    let bytes = 0;
    for await (const { data } of flood.session.output()) {
      bytes += data.length;
      if (bytes > 20_000_000) break;
    }
    expect(await privateKilobytes(flood.pid)).toBeLessThan(2048);
    await flood.supervisor.signal(9);
    await ended(flood.supervisor);
  });

  test('forks without end, and others go on', async () => {
    const bomb = await machines.start({ args: ['/bin/sh', '-c', 'echo up; b() { b | b & b; }; b'] });
    await readUntil(bomb.session, 'up');
    await using exec = await machine.exec(['echo', 'still here']);
    expect((await collect(exec)).stdout).toBe('still here\n');
    await bomb.supervisor.signal(9);
    await ended(bomb.supervisor);
  });
});
