import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MachineControl } from '../../src/vm/index.ts';
import { type TinyConsole, TinyMachines } from './tiny-machines.ts';

describe('the life of a machine', () => {
  let machines: TinyMachines;
  beforeAll(async () => {
    machines = await TinyMachines.start();
  });
  afterAll(async () => machines[Symbol.asyncDispose]());

  const berthOk = (...words: string[]) => machines.instance.berthOk(words);
  const stateOf = async (name: string) => {
    const { State: state } = await machines.client.machines.inspect(name);
    return state;
  };
  const statusOf = (name: string) =>
    berthOk('vm', 'ls', '-a', '-f', `name=${name}`, '--format', '{{.Status}}');

  it('ends with 0 when its system switches itself off, and begins again', async () => {
    await machines.run('off');
    const { Id: id } = await machines.client.machines.inspect('off');
    const pending = await machines.client.machines.wait('off');
    {
      await using console = await machines.console('off');
      console.type('p');
      expect(await pending.exit()).toEqual({ StatusCode: 0 });
    }
    expect(await stateOf('off')).toMatchObject({ Status: 'exited', Running: false, ExitCode: 0, Pid: 0 });
    await berthOk('vm', 'start', id.slice(0, 12));
    expect(await stateOf('off')).toMatchObject({ Status: 'running', Running: true });
    await berthOk('vm', 'rm', '-f', 'off');
    expect((await machines.instance.berth(['vm', 'inspect', 'off'])).stderr).toContain(
      'there is no machine off',
    );
  });

  it('is stopped by its power button, and by force when its system does not obey in time', async () => {
    await machines.run('button');
    await using console = await machines.console('button');
    const stopped = berthOk('vm', 'stop', '-t', '-1', 'button');
    await console.shows('the power button');
    console.type('p');
    await stopped;
    expect(await stateOf('button')).toMatchObject({ Status: 'exited', ExitCode: 0 });
    await berthOk('vm', 'start', 'button');
    await berthOk('vm', 'stop', '-t', '0', 'button');
    expect(await stateOf('button')).toMatchObject({ Status: 'exited', ExitCode: 137 });
    expect(await statusOf('button')).toMatch(
      /: stop sent SIGKILL: it was still on 0 s after its power button/,
    );
    expect(await berthOk('vm', 'stop', 'button')).toBe('button');
  });

  it('goes on when its system resets, and ends with 1 when its kernel panics', async () => {
    await machines.run('panic');
    await using console = await machines.console('panic');
    console.type('r');
    await console.shows('up');
    const pending = await machines.client.machines.wait('panic');
    console.type('x');
    expect(await pending.exit()).toEqual({ StatusCode: 1 });
    expect(await statusOf('panic')).toMatch(/^Exited \(1\) .*: its kernel panicked$/);
    expect(await machines.log('panic')).toContain('its kernel panicked');
  });

  it('is explained: switched off, by its button or not, killed, of a panic, or of an end of its QEMU', async () => {
    const why = () => machines.instance.berthOk(['why', 'explained']);
    const end = async (doing: (console: TinyConsole) => unknown) => {
      await using console = await machines.console('explained');
      await berthOk('vm', 'start', 'explained');
      await console.shows('up');
      const pending = await machines.client.machines.wait('explained');
      await doing(console);
      await pending.exit();
      return why();
    };
    const source = ['--from', machines.image, '--format', 'raw', '--network', 'none', '--stop-timeout', '0'];
    await berthOk('vm', 'create', ...source, 'explained');
    expect(await why()).toContain('It was never started.');
    expect(await end(() => berthOk('vm', 'kill', 'explained'))).toContain('SIGKILL ended it, sent by kill.');
    expect(await end(() => berthOk('vm', 'stop', 'explained'))).toContain(
      'SIGKILL ended it, sent by stop (it was still on 0 s after its power button was pressed).',
    );
    const off = await end((console) => console.type('p'));
    expect(off).toMatch(/Exited \(0\).*\n {2}Its system switched it off\.\n/);
    const panic = await end((console) => console.type('x'));
    expect(panic).toContain('It ended without being switched off: its kernel panicked.');
    const quit = async () => {
      const { Id: id } = await machines.client.machines.inspect('explained');
      const folder = `${machines.instance.execRoot}/runtime/${id}`;
      const { pid } = await new MachineControl(folder).state();
      process.kill(pid, 'SIGKILL');
    };
    expect(await end(quit)).toContain('It ended without being switched off: QEMU ended by signal 9.');
    expect(await why()).toMatch(/Before that:\n.*its kernel panicked/);
    const { stderr } = await machines.instance.berth(['why', 'nobody']);
    expect(stderr).toContain('No such container: nobody');
    await berthOk('vm', 'rm', 'explained');
  });

  it('is refused while it runs what would take its disks away, and ended first by force', async () => {
    await machines.run('kept');
    const { code, stderr } = await machines.instance.berth(['vm', 'rm', 'kept']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('the machine kept runs, and has to be stopped to be removed'),
    });
    expect(await berthOk('vm', 'kill', 'kept')).toBe('kept');
    expect(await stateOf('kept')).toMatchObject({ Status: 'exited', ExitCode: 137 });
    expect(await berthOk('vm', 'rm', 'kept')).toBe('kept');
  });

  it('is known by another name, as soon as it has it', async () => {
    await machines.run('before');
    await berthOk('vm', 'rename', 'before', 'after');
    expect(await berthOk('vm', 'ls', '-q', '-f', 'name=after')).toBe('after');
    const taken = await machines.instance.berth(['vm', 'rename', 'after', 'kept?']);
    expect(taken.stderr).toContain('Invalid container name');
    await berthOk('vm', 'rm', '-f', 'after');
  });

  it('is joined at its console, by several at once, and left by the detach keys', async () => {
    await machines.run('console');
    await using first = await machines.console('console');
    await using second = await machines.console('console');
    first.type('abc');
    await second.shows('abc');
    const left = await machines.instance.berth(['vm', 'console', 'console'], { input: 'd\u0010\u0011' });
    expect(left).toMatchObject({ code: 1, stderr: 'read escape sequence\n' });
    await second.shows('d'); // whoever has left may not have seen it
    await berthOk('vm', 'kill', 'console'); // a line is in the log when it has ended
    expect(await berthOk('vm', 'logs', '-n', '1', 'console')).toContain('abcd');
    await berthOk('vm', 'rm', 'console');
  });

  it('begins again by its restart policy, after a panic and also while berthd is away', async () => {
    await machines.run('again', '--restart', 'on-failure');
    const pending = await machines.client.machines.wait('again', { condition: 'next-exit' });
    await using console = await machines.console('again');
    console.type('x');
    expect(await pending.exit()).toEqual({ StatusCode: 1 });
    await machines.logs('again', /up.*up/s); // the console ends with each run
    expect(await machines.client.machines.inspect('again')).toMatchObject({ RestartCount: 1 });
    await machines.instance.killDaemon();
    await machines.instance.startDaemon();
    expect(await stateOf('again')).toMatchObject({ Status: 'running' });
    await using later = await machines.console('again');
    later.type('z');
    await later.shows('z');
    await berthOk('vm', 'rm', '-f', 'again');
  });

  it('runs on when berthd is killed, with its console, name and disks, and is found again', async () => {
    await machines.run('lasting');
    const { State: before } = await machines.client.machines.inspect('lasting');
    await machines.instance.killDaemon();
    await machines.instance.startDaemon();
    expect(await stateOf('lasting')).toMatchObject({ Pid: before.Pid, StartedAt: before.StartedAt });
    await using console = await machines.console('lasting');
    console.type('still');
    await console.shows('still');
    const pending = await machines.client.machines.wait('lasting');
    console.type('p');
    expect(await pending.exit()).toEqual({ StatusCode: 0 });
  });

  it('keeps no more of a console that never ends than its log may have', async () => {
    await machines.run('flood', '--log-opt', 'max-size=10k', '--log-opt', 'max-file=2');
    await using console = await machines.console('flood');
    console.type('f');
    await console.shows('f'.repeat(30_000));
    await berthOk('vm', 'kill', 'flood');
    const { LogPath: path } = await machines.client.machines.inspect('flood');
    const kept = (await readdir(dirname(path))).filter((name) => name.includes('-json.log'));
    const sizes = await Promise.all(kept.map(async (name) => (await stat(join(dirname(path), name))).size));
    expect(sizes).toHaveLength(2);
    // The entry that goes beyond the limit is whole.
    for (const size of sizes) expect(size).toBeLessThan(10_000 + 20_000);
    await berthOk('vm', 'rm', 'flood');
  });

  it('gets a card on one more network while it is stopped, and is listed there when it runs', async () => {
    await berthOk('vm', 'create', '--from', machines.image, '--format', 'raw', 'cards');
    await berthOk('network', 'create', 'more');
    const { Id: id } = await machines.client.machines.inspect('cards');
    await berthOk('network', 'connect', 'more', id.slice(0, 12)); // by a prefix of its id, as containers
    await berthOk('vm', 'start', 'cards');
    const { Networks: networks } = await machines.client.machines.inspect('cards');
    expect(Object.keys(networks)).toEqual(['bridge', 'more']);
    expect(networks.more).toMatchObject({ MacAddress: expect.stringMatching(/^52:54:00:/) });
    const members = await berthOk(
      'network',
      'inspect',
      '-f',
      '{{range .Containers}}{{.Name}}{{end}}',
      'more',
    );
    expect(members).toBe('cards');
    const { stderr } = await machines.instance.berth(['network', 'disconnect', 'more', 'cards']);
    expect(stderr).toContain('cannot be changed while it runs. Stop it first: berth vm stop cards');
    await berthOk('vm', 'kill', 'cards');
    await berthOk('network', 'disconnect', 'more', id.slice(0, 12));
    expect((await machines.client.machines.inspect('cards')).Networks).not.toHaveProperty('more');
    await berthOk('vm', 'rm', 'cards');
    await berthOk('network', 'rm', 'more');
  });

  it('uses something of the host, which is counted while it runs', async () => {
    await machines.run('counted', '-m', '256m');
    const used = await machines.client.machines.stats('counted');
    expect(used).toMatchObject({
      name: '/counted',
      memory_stats: { limit: 256 * 1024 ** 2, usage: expect.any(Number) },
      cpu_stats: { cpu_usage: { total_usage: expect.any(Number) } },
    });
    expect(used.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(0);
    expect(used).not.toHaveProperty('Berth'); // its system has no driver to tell more by
    const row = await berthOk('vm', 'stats', '--no-stream', '--format', '{{.Name}} {{.GuestMem}}', 'counted');
    expect(row).toBe('counted -- / --');
    await berthOk('vm', 'rm', '-f', 'counted');
  });
});
