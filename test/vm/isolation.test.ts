import { readdir, readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandResult, Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';

let instance: Instance;
beforeAll(async () => {
  instance = await startMachines();
  await instance.berthOk(['run', '-d', '--name', 'near', ...MACHINE, 'sh', '-c', 'echo up; exec sleep 1000']);
});
afterAll(async () => instance[Symbol.asyncDispose]());

const MACHINE = ['--isolation', 'vm', '-m', '128m', 'busybox'];

/** All of them from the one template of this shape. */
const inMachine = (script: string, ...options: string[]): Promise<CommandResult> =>
  instance.berth(['run', ...options, ...MACHINE, 'sh', '-c', script]);
const inNear = (...command: string[]) => instance.berthOk(['exec', 'near', ...command]);

describe('machines that begin as copies of one template', () => {
  const IDENTITY = [
    'cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid',
    'head -c 32 /dev/urandom | sha256sum',
    'od -An -tx1 /proc/self/auxv | sha256sum', // with the kernel's random bytes and addresses for a program
    'grep stack /proc/self/maps',
    'cat /sys/class/net/eth0/address',
  ].join('; ');

  it('share no random number, no boot identity and no MAC address', async () => {
    const results = await Promise.all(Array.from({ length: 3 }, () => inMachine(IDENTITY, '--rm')));
    const seen = results.map(({ stdout }) => stdout.trim().split('\n'));
    for (const lines of seen) expect(lines).toHaveLength(6);
    const all = seen.flat();
    expect(all.filter((line, index) => all.indexOf(line) !== index)).toEqual([]);
  });

  it("have the host's time, and a clock of their own that only goes forward", async () => {
    const before = Math.floor(Date.now() / 1000);
    const { stdout } = await inMachine('date +%s; cat /proc/uptime /proc/uptime', '--rm');
    const after = Date.now() / 1000;
    const [wall, first, second] = stdout.trim().split('\n').map(Number.parseFloat);
    expect(wall).toBeGreaterThanOrEqual(before);
    expect(wall).toBeLessThanOrEqual(after);
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThanOrEqual(first ?? Number.NaN);
  });
});

describe('the QEMU of a machine', () => {
  const MIB = 1024 ** 2;

  /** Bytes, or "unlimited". */
  async function longestFile(name: string): Promise<string | undefined> {
    const monitor = await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', name]);
    const qemu = (await readFile(`/proc/${monitor}/task/${monitor}/children`, 'utf8')).trim();
    const limits = await readFile(`/proc/${qemu}/limits`, 'utf8');
    return /^Max file size +(\S+)/m.exec(limits)?.[1];
  }

  it('can make no file longer than its disk', async () => {
    const size = ['--storage-opt', 'size=48m'];
    await instance.berthOk(['run', '-d', '--name', 'small', ...size, ...MACHINE, 'sleep', '1000']);
    expect(await longestFile('small')).toBe(String(48 * MIB));
    await instance.berthOk(['rm', '-f', 'small']);
  });

  it('is not limited so in a shared folder, whose files are as long as they become', async () => {
    const volume = ['-v', 'data:/data'];
    await instance.berthOk(['run', '-d', '--name', 'shares', ...volume, ...MACHINE, 'sleep', '1000']);
    expect(await longestFile('shares')).toBe('unlimited');
    await instance.berthOk(['rm', '-f', 'shares']);
  });
});

describe('a guest that does harm to itself', () => {
  /** The host and the neighbour answer, and what the neighbour runs goes on. */
  async function othersAreWell(): Promise<void> {
    expect(await inNear('echo', 'alive')).toBe('alive');
    expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'fine'])).toBe('fine');
    const format = '{{.State.Status}} {{.RestartCount}}';
    expect(await instance.berthOk(['inspect', '-f', format, 'near'])).toBe('running 0');
  }

  it('by a panic of its kernel ends with 255 and the reason, alone', async () => {
    const script = 'mount -t proc proc /mnt && echo c >/mnt/sysrq-trigger; sleep 1000';
    const options = ['--name', 'panics', '--cap-add', 'ALL', '--tmpfs', '/mnt'];
    const { code, stderr } = await inMachine(script, ...options);
    expect(code).toBe(255);
    expect(stderr).toMatch(/^berth: the virtual machine has stopped: .*panic.*sysrq/m);
    await othersAreWell();
    expect(await instance.berthOk(['logs', 'panics'])).toBe('');
    const { stderr: logged } = await instance.berth(['logs', 'panics']);
    expect(logged).toContain('the virtual machine has stopped');
    await instance.berthOk(['rm', 'panics']);
  });

  it('by filling its disk has no more of the host than its disk is large, and works on when it has made room', async () => {
    const script =
      'dd if=/dev/urandom of=/full bs=1M 2>&1 | grep -o "No space.*"; rm /full; echo room >/again && cat /again';
    const { code, stdout } = await inMachine(script, '--name', 'fills', '--storage-opt', 'size=64m');
    expect([code, stdout.trim().split('\n')]).toEqual([0, ['No space left on device', 'room']]);
    const id = await instance.berthOk(['inspect', '-f', '{{.Id}}', 'fills']);
    const disk = await stat(`${instance.dataRoot}/containers/${id}/machine/writable`);
    expect(disk.size).toBe(64 * 1024 ** 2);
    expect(disk.blocks * 512).toBeLessThanOrEqual(disk.size);
    await othersAreWell();
    await instance.berthOk(['rm', 'fills']);
  });

  it('by forking without end stops no other, and is ended from outside', async () => {
    await inMachine('echo begun; b() { b | b & b; }; b', '-d', '--name', 'forks');
    await expect.poll(() => instance.berthOk(['logs', 'forks']), { timeout: 30_000 }).toContain('begun');
    await othersAreWell();
    await instance.berthOk(['rm', '-f', 'forks']);
    expect(await inNear('echo', 'alive')).toBe('alive');
  });

  it('by flooding its console and its output has the log that its options allow, and no more', async () => {
    const script =
      'mknod /tmp/kmsg c 1 11 && echo begun >/tmp/kmsg || exit; cat /dev/zero >/tmp/kmsg & exec cat /dev/zero';
    const log = ['--log-opt', 'max-size=1m', '--log-opt', 'max-file=2'];
    await inMachine(script, '-d', '--name', 'floods', '--cap-add', 'ALL', '--tmpfs', '/tmp:dev', ...log);
    const id = await instance.berthOk(['inspect', '-f', '{{.Id}}', 'floods']);
    const folder = `${instance.dataRoot}/containers/${id}`;
    const logs = async () => (await readdir(folder)).filter((name) => name.includes('-json.log'));
    await expect.poll(async () => (await logs()).length, { timeout: 30_000 }).toBe(2);
    await othersAreWell();
    // While it writes, its files change their names.
    await instance.berthOk(['kill', 'floods']);
    await instance.berthOk(['wait', 'floods']);
    const sizes = await Promise.all(
      (await logs()).map(async (name) => (await stat(`${folder}/${name}`)).size),
    );
    expect(sizes).toHaveLength(2);
    expect(Math.max(...sizes)).toBeLessThan(2 * 1024 ** 2);
    await instance.berthOk(['rm', 'floods']);
  });
});
