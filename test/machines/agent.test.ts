import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { imageName } from '../../src/vm/computer/disks/node-options.ts';
import { inRootFileSystem, makeAgentSystem } from './agent-system.ts';
import { TinyMachines } from './tiny-machines.ts';

/** Of a machine whose system has QEMU's guest agent, one after the other. */
let machines: TinyMachines;
beforeAll(async () => {
  machines = await TinyMachines.start();
  const image = await makeAgentSystem(dirname(machines.instance.dataRoot));
  await berth('create', '--from', image, '--network', 'none', '-m', '256m', '--disk', 'data:64m', 'linux');
  await using console = await machines.console('linux');
  await berth('start', 'linux');
  await console.shows('READY');
});
afterAll(() => machines[Symbol.asyncDispose]());

const berth = (...args: readonly string[]) => machines.berth(...args);
/** What a command in the machine says. The agent refuses it while it holds the file systems still. */
const inside = (command: string) => berth('exec', 'linux', 'sh', '-c', command);

test('an emulated machine that rests forgets what only its start needed, and goes on', async () => {
  const { State } = await machines.client.machines.inspect('linux');
  const qemu = (await readFile(`/proc/${State.Pid}/task/${State.Pid}/children`, 'utf8')).trim();
  // Nobody tells of it: it is there when the guest has had nothing to do for a while.
  await vi.waitUntil(async () => (await translations(qemu)) < 8e6, { timeout: 60_000, interval: 200 });
  expect(await inside('echo $((6 * 7)) | cat')).toBe('42');
});

/** Bytes of memory that QEMU keeps what it has translated in: the only one that is both written and executed (proc_pid_smaps(5)). */
async function translations(qemu: string): Promise<number> {
  const maps = (await readFile(`/proc/${qemu}/smaps`, 'utf8')).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const resident = maps.filter((map) => / rwxp /.test(map)).map((map) => /^Rss: +(\d+) kB$/m.exec(map)?.[1]);
  return resident.reduce((sum, kilobytes) => sum + Number(kilobytes) * 1024, 0);
}

test('a machine whose system says what it uses of its memory has that in its figures', async () => {
  const available = async () => {
    const { Berth } = await machines.client.machines.stats('linux');
    return Berth?.GuestMemory.Available ?? expect.fail('its system says nothing');
  };
  const before = await available();
  await inside('dd if=/dev/zero of=/run/file bs=1M count=64 2>/dev/null'); // which is memory
  expect(before - (await available())).toBeGreaterThan(50 * 1024 ** 2);
  await inside('rm /run/file');
  const row = await berth('stats', '--no-stream', '--format', '{{.GuestMem}}', 'linux');
  expect(row).toMatch(/^[\d.]+MiB \/ 2\d\d(\.\d+)?MiB$/);
});

describe('a snapshot of a machine with the guest agent', () => {
  test('that holds its memory brings it back with the time of now, with a hwclock or without', async () => {
    await inside('date -u -s @1000000000');
    await berth('snapshot', 'create', 'linux', 'with');
    await inside('mv /usr/sbin/hwclock /hwclock'); // of which the agent makes its own setting of clocks depend
    await berth('snapshot', 'create', 'linux', 'without');
    for (const name of ['without', 'with']) {
      const before = Math.floor(Date.now() / 1000);
      await berth('snapshot', 'restore', '-f', 'linux', name);
      expect(Number(await inside('date +%s'))).toBeGreaterThanOrEqual(before);
    }
  });

  test('that holds its disks alone has whole file systems, which are let go', async () => {
    await inside('echo then >/root/file');
    await berth('snapshot', 'create', '--disks', 'linux', 'disks');
    await inside('echo later >/root/file; sync');
    expect(await machines.client.machines.snapshots.list('linux')).toContainEqual(
      expect.objectContaining({ Name: 'disks', Memory: false, HeldFor: expect.any(Number) }),
    );
    await berth('clone', '--snapshot', 'disks', 'linux', 'copy');
    const disk = await flatDisk('copy');
    expect(await inRootFileSystem(disk, 'cat /root/file')).toBe('then\n');
    // That of a file system that is in use, or was when the power was cut.
    expect(await inRootFileSystem(disk, 'features')).not.toContain('needs_recovery');
  });

  test('that was being taken when berthd was killed leaves no file systems that are held still', async () => {
    const { instance } = machines;
    await instance.killDaemon();
    await instance.startDaemon({ BERTH_CRASH_AT: 'snapshot.frozen' });
    const { code } = await instance.berth(['vm', 'snapshot', 'create', '--disks', 'linux', 'cut-off']);
    expect(code).not.toBe(0);
    await instance.startDaemon();
    await berth('set', '--stop-timeout', '5', 'linux'); // comes after what berthd does at its start
    expect(await inside('echo on >/root/file; cat /root/file')).toBe('on');
    expect(await berth('snapshot', 'ls', '-q', 'linux')).not.toContain('cut-off');
  });
});

test('a machine that was paused stands still until it goes on, with the time of now', async () => {
  await inside('date -u -s @1000000000');
  await berth('pause', 'linux');
  expect(await machines.client.machines.inspect('linux')).toMatchObject({ State: { Status: 'paused' } });
  for (const words of [
    ['pause', 'linux'],
    ['exec', 'linux', 'true'],
  ]) {
    expect(await machines.refusal(...words)).toContain('the machine linux is paused');
  }
  expect(await machines.refusal('snapshot', 'create', 'linux', 'still')).toContain('stands still (paused)');
  const before = Math.floor(Date.now() / 1000);
  await berth('unpause', 'linux');
  expect(Number(await inside('date +%s'))).toBeGreaterThanOrEqual(before);
  expect(await machines.refusal('unpause', 'linux')).toContain('the machine linux is not paused');
});

/** The first disk of a stopped machine, as a raw file. */
async function flatDisk(name: string): Promise<string> {
  const { dataRoot } = machines.instance;
  const { Id } = await machines.client.machines.inspect(name);
  const images = join(dataRoot, 'vm/images');
  const files = (await readdir(images)).filter((file) => file.endsWith('.qcow2'));
  const backing = files.map((file) => ({ path: join(images, file), format: 'qcow2' as const }));
  const overlay = { path: join(dataRoot, 'containers', Id, 'disks/root.qcow2'), format: 'qcow2' as const };
  const flat = join(dirname(dataRoot), `${name}.raw`);
  await runChecked('qemu-img', ['convert', '-O', 'raw', imageName(overlay, backing), flat]);
  return flat;
}
