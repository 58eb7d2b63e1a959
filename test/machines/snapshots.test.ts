import { readdir, readFile } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MACHINE_CRASH_POINTS, runChecked } from '../../src/base/index.ts';
import type { MachineSnapshot } from '../../src/client/index.ts';
import { TinyMachines } from './tiny-machines.ts';

let machines: TinyMachines;
beforeAll(async () => {
  machines = await TinyMachines.start();
});
afterAll(() => machines[Symbol.asyncDispose]());

const berth = (...args: readonly string[]) => machines.berth(...args);
const refusal = (...args: readonly string[]) => machines.refusal(...args);

async function snapshot(name: string): Promise<MachineSnapshot> {
  const [found] = await machines.client.machines.snapshots.list(name);
  return found ?? expect.fail('there is no snapshot');
}

/** The machine's system answers. */
async function answers(name: string): Promise<void> {
  await using console = await machines.console(name);
  console.type('hello');
  await console.shows('hello');
}

/** Presses its power button, which tiny-system.S tells at the first time and obeys at the second. */
function press(name: string): Promise<string> {
  return berth('stop', '--timeout=-1', name);
}

/** By its own system, so that QEMU has let go of its disks at its end. */
async function powerOff(name: string): Promise<void> {
  const pending = await machines.client.machines.wait(name);
  await using console = await machines.console(name);
  console.type('p');
  await pending.exit();
}

async function rootDisk(name: string): Promise<string> {
  const { Id } = await machines.client.machines.inspect(name);
  return `${machines.instance.dataRoot}/containers/${Id}/disks/root.qcow2`;
}

async function qemuIo(name: string, command: string): Promise<string> {
  const { stdout } = await runChecked('qemu-io', ['-f', 'qcow2', '-c', command, await rootDisk(name)]);
  return stdout.toString();
}

describe('a snapshot of a machine that runs', () => {
  test('brings its memory back, while it went on', async () => {
    await machines.run('live', '-m', '512m');
    await using console = await machines.console('live');
    const stopping = press('live');
    await console.shows('the power button');
    expect(await berth('snapshot', 'create', 'live', 'pressed')).toBe('pressed');
    console.type('went on');
    await console.shows('went on');
    expect(await snapshot('live')).toMatchObject({
      Name: 'pressed',
      Memory: true,
      Disks: [{ Name: 'root' }],
    });
    expect(await refusal('snapshot', 'restore', 'live', 'pressed')).toContain('the machine live runs');
    await berth('snapshot', 'restore', '--force', 'live', 'pressed');
    await stopping;
    await answers('live');
    await press('live'); // the second time for what its memory remembers
    const { State } = await machines.client.machines.inspect('live');
    expect(State).toMatchObject({ Status: 'exited', ExitCode: 0 });
    expect((await machines.log('live')).match(/up\r?\n/g)).toHaveLength(1);
    // And as often as one likes.
    await berth('snapshot', 'restore', 'live', 'pressed');
    await press('live');
  });

  test('is not what a restart by policy goes on from', async () => {
    await machines.run('policy', '--restart', 'always');
    await berth('snapshot', 'create', 'policy', 'one');
    await berth('snapshot', 'restore', '--force', 'policy', 'one');
    await using console = await machines.console('policy');
    console.type('x'); // a panic
    await machines.logs('policy', /up.*up/s);
    await berth('rm', '-f', 'policy');
  });

  test('gives its disks alone to who asks for them', async () => {
    await machines.run('disks');
    await berth('snapshot', 'create', 'disks', 'one');
    await powerOff('disks');
    await qemuIo('disks', 'write -P 0x5a 1G 64k');
    await berth('snapshot', 'restore', '--disks', 'disks', 'one');
    const { State } = await machines.client.machines.inspect('disks');
    expect(State.Status).toBe('exited');
    expect(await qemuIo('disks', 'read -P 0 1G 64k')).not.toContain('failed');
    await using console = await machines.console('disks');
    await berth('start', 'disks');
    await console.shows('up');
    await berth('snapshot', 'rm', 'disks', 'one');
    expect(await berth('snapshot', 'ls', '-q', 'disks')).toBe('');
    await berth('rm', '-f', 'disks');
  });

  test('is of its disks alone where that is asked for, and says that nobody held its file systems still', async () => {
    await machines.run('unheld');
    const { code, stderr } = await machines.instance.berth([
      ...['vm', 'snapshot', 'create', '--disks', 'unheld', 'one'],
    ]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining(
        "its file systems were not held still (QEMU's guest agent does not run in it)",
      ),
    });
    expect(await snapshot('unheld')).toMatchObject({ Name: 'one', Memory: false });
    await answers('unheld');
    await berth('snapshot', 'restore', '-f', 'unheld', 'one');
    const { State } = await machines.client.machines.inspect('unheld');
    expect(State.Status).toBe('exited');
    await berth('rm', 'unheld');
  });

  test('is refused for other hardware, and nothing has changed then', async () => {
    await machines.run('other');
    await berth('snapshot', 'create', 'other', 'one');
    await powerOff('other');
    await qemuIo('other', 'write -P 0x5a 1G 64k');
    await berth('set', '--firmware', 'uefi', '-m', '1g', 'other');
    expect(await refusal('snapshot', 'restore', 'other', 'one')).toContain(
      'of a machine with the firmware bios, and this one has uefi',
    );
    expect(await qemuIo('other', 'read -P 0x5a 1G 64k')).not.toContain('failed');
    await berth('set', '--disk', 'more:1g', 'other');
    expect(await refusal('snapshot', 'restore', '--disks', 'other', 'one')).toContain(
      'the snapshot one is of the disks root; the machine has more, root',
    );
  });
});

test('a name that is taken, that is none, or that no snapshot has, is refused', async () => {
  await machines.run('names');
  await berth('snapshot', 'create', 'names', 'one');
  expect(await refusal('snapshot', 'create', 'names', 'one')).toContain('there is a snapshot one already');
  expect(await refusal('snapshot', 'create', 'names', 'a/b')).toContain('"a/b" is no name of a snapshot');
  expect(await refusal('snapshot', 'restore', 'names', 'two')).toContain('there is no snapshot two');
  expect(await refusal('snapshot', 'rm', 'names', 'two')).toContain('there is no snapshot two');
  expect(await refusal('snapshot', 'create', 'nobody', 'one')).toContain('there is no machine nobody');
  await answers('names');
});

test('a clone has disks, cards and a name of its own, and boots beside the machine', async () => {
  await machines.run('original', '--label', 'a=b');
  await berth('snapshot', 'create', 'original', 'one');
  expect(await refusal('clone', 'original', 'copy')).toContain('has to be stopped to be cloned');
  expect(await refusal('clone', '--snapshot', 'one', 'original', 'original')).toContain(
    'the name original is taken',
  );
  expect(await berth('clone', '--snapshot', 'one', 'original', 'copy')).toBe('copy');
  await using console = await machines.console('copy');
  await berth('start', 'copy');
  await console.shows('up');
  await answers('original');
  const { Labels, Disks } = await machines.client.machines.inspect('copy');
  expect([Labels, Disks]).toMatchObject([{ a: 'b' }, [{ Name: 'root', Size: 8 * 1024 ** 3 }]]);
  await berth('rm', '-f', 'original');
  await answers('copy');
});

test('what is asked of one machine at once is done in turn, but not for a client that has gone', async () => {
  await machines.run('line');
  await berth('snapshot', 'create', 'line', 'kept');
  const qemu = await qemuOf('line');
  const before = await filesOfMonitor('line');
  process.kill(qemu, 'SIGSTOP');
  const first = berth('snapshot', 'create', 'line', 'first');
  await expect.poll(() => filesOfMonitor('line'), { timeout: 60_000 }).toBe(before + 1); // it has its turn
  for (const [method, path, body] of [
    ['POST', 'snapshots', { Name: 'gone' }],
    ['DELETE', 'snapshots/kept'],
    ['POST', 'snapshots/kept/restore?force=1'],
    ['POST', 'restart'],
  ] as const) {
    const client = new LeavingClient(method, `/berth/machines/line/${path}`, body);
    await client.asked;
    await client.leave();
  }
  const last = berth('snapshot', 'create', 'line', 'last');
  await machines.client.machines.inspect('line'); // answered after those who have gone were heard
  process.kill(qemu, 'SIGCONT');
  await Promise.all([first, last]);
  expect((await berth('snapshot', 'ls', '-q', 'line')).split('\n').sort()).toEqual(['first', 'kept', 'last']);
  await answers('line');
  expect(await qemuOf('line')).toBe(qemu);
});

test('what has begun is brought to its end, also when its client has gone', async () => {
  await machines.run('begun', '--stop-timeout', '0');
  await berth('snapshot', 'create', 'begun', 'kept');
  for (const [path, ended] of [
    ['restart', 'restart'],
    ['snapshots/kept/restore?force=1', 'snapshot-restore'],
  ] as const) {
    const events = await machines.client.system.events({ filters: { type: ['machine'] } });
    const client = new LeavingClient('POST', `/berth/machines/begun/${path}`);
    await client.asked;
    const happened: string[] = [];
    for await (const { Action: action, Actor: actor } of events) {
      if (actor.Attributes.name !== 'begun') continue;
      happened.push(action);
      if (action === 'die') await client.leave();
      if (happened.includes('start') && happened.includes(ended)) break;
    }
    await machines.logs('begun', /up.*up/s); // it boots once more only by the restart
    await answers('begun');
  }
});

/** Open files of a machine's monitor, of which each question to it is one until it is answered. */
async function filesOfMonitor(name: string): Promise<number> {
  const { State } = await machines.client.machines.inspect(name);
  return (await readdir(`/proc/${State.Pid}/fd`)).length;
}

/** The monitor's only child. */
async function qemuOf(name: string): Promise<number> {
  const { State } = await machines.client.machines.inspect(name);
  return Number(await readFile(`/proc/${State.Pid}/task/${State.Pid}/children`, 'utf8'));
}

/** Sends a request, and does not wait for the answer. */
class LeavingClient {
  /** Resolves when all of it is sent. */
  readonly asked: Promise<unknown>;
  readonly #sent: ClientRequest;

  constructor(method: string, path: string, body?: object) {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
    this.#sent = request({ socketPath: machines.instance.socketPath, method, path, headers });
    this.#sent.on('error', () => {}); // that it hung up
    this.asked = new Promise((resolve) => this.#sent.once('finish', resolve));
    this.#sent.end(body === undefined ? undefined : JSON.stringify(body));
  }

  async leave(): Promise<void> {
    const closed = new Promise((resolve) => this.#sent.once('close', resolve));
    this.#sent.destroy();
    await closed;
  }
}

describe('berthd killed', () => {
  const points = MACHINE_CRASH_POINTS.filter(
    (point) => point.startsWith('snapshot.') && point !== 'snapshot.frozen', // which only a guest with an agent is
  );

  test.each(points)('at %s leaves a machine that goes on, and no snapshot', async (point) => {
    const name = point.replace('.', '-');
    await machines.run(name);
    await dying(point, ['vm', 'snapshot', 'create', name, 'one']);
    await answers(name);
    expect(await berth('snapshot', 'ls', '-q', name)).toBe('');
    await berth('snapshot', 'create', name, 'one');
    await powerOff(name);
    const { stdout } = await runChecked('qemu-img', ['snapshot', '-l', await rootDisk(name)]);
    expect(stdout.toString().match(/berth-/g)).toHaveLength(1);
  });

  test('while it restores a snapshot finishes that at the next start', async () => {
    await machines.run('restored');
    await berth('snapshot', 'create', 'restored', 'one');
    await powerOff('restored');
    for (const point of ['restore.begun', 'restore.done']) {
      await qemuIo('restored', 'write -P 0x5a 1G 64k');
      await dying(point, ['vm', 'snapshot', 'restore', 'restored', 'one']);
      await berth('start', 'restored');
      await answers('restored'); // without having booted
      await powerOff('restored');
      expect(await qemuIo('restored', 'read -P 0 1G 64k')).not.toContain('failed');
    }
    expect((await machines.log('restored')).match(/up\r?\n/g)).toHaveLength(1);
  });

  /** Runs a command that a berthd carries out which ends at a point, and starts another one. */
  async function dying(point: string, args: readonly string[]): Promise<void> {
    const { instance } = machines;
    await instance.killDaemon();
    await instance.startDaemon({ BERTH_CRASH_AT: point });
    expect((await instance.berth(args)).code).not.toBe(0);
    await instance.startDaemon();
  }
});
