import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeFields, type FieldWriter, textOf } from '../../src/base/index.ts';
import {
  guestMessage,
  guestTag,
  interfaceTag,
  processTag,
  recordTag,
  setupTag,
} from '../../src/vm/guest-protocol.ts';
import { bootGuest, fields, filesOf, type Guest, said, untilEnd, waiting } from './guest.ts';

describe('in a guest', () => {
  let guest: Guest;

  beforeAll(async () => {
    guest = await bootGuest({ cards: 1 });
    await guest.setUp((setup) =>
      setup.number(setupTag.pidsLimit, 100).bytes(
        setupTag.interface,
        fields((card) => card.text(interfaceTag.name, 'eth0')),
      ),
    );
    await guest.start(untilEnd, (process) => waiting(process).number(processTag.init, 1));
  });
  afterAll(() => guest?.[Symbol.asyncDispose]());

  test('gives a process its arguments, environment, folder, user, groups and umask', async () => {
    const line = 'echo "$1|$COLOUR|$HOME"; pwd; id -u; id -g; id -G; umask';
    const { stdout } = await guest.run(['/bin/sh', '-c', line, 'name', 'two words'], (process) =>
      process
        .text(processTag.environment, 'COLOUR=blue')
        .text(processTag.directory, '/tmp')
        .number(processTag.uid, 1000)
        .number(processTag.gid, 1000)
        .number(processTag.group, 7)
        .number(processTag.umask, 0o27),
    );
    expect(stdout).toBe('two words|blue|/home/user\n/tmp\n1000\n1000\n1000 7\n0027\n');
  });

  test('gives a process no more rights than its plan says', async () => {
    const program = await guest.start(
      ['/bin/sh', '-c', 'grep -E "Cap(Prm|Eff|Bnd)|NoNewPrivs" /proc/self/status; ulimit -n'],
      (process) =>
        process
          .number(processTag.noNewPrivileges, 1)
          .number(processTag.bounding, 0x3)
          .number(processTag.permitted, 0x1)
          .number(processTag.effective, 0x1)
          .bytes(processTag.rlimit, Buffer.from(new BigUint64Array([7n, 99n, 100n]).buffer)),
    );
    const { stdout } = await program.finished;
    expect(stdout.replace(/\s+/g, ' ')).toBe(
      'CapPrm: 0000000000000001 CapEff: 0000000000000001 CapBnd: 0000000000000003 NoNewPrivs: 1 99 ',
    );
  });

  test.each([
    {
      args: ['no-such-program'],
      why: 'not-found: executable file `no-such-program` not found in $PATH: No such file or directory',
    },
    { args: ['/no/such/program'], why: 'not-found: exec `/no/such/program`: No such file or directory' },
    { args: ['/etc/passwd-'], why: 'not-found: exec `/etc/passwd-`: No such file or directory' },
    { args: ['/etc'], why: 'invalid: exec `/etc`: Is a directory' },
    { args: ['/proc/version'], why: 'invalid: exec `/proc/version`: Permission denied' },
    { args: ['/from-below'], why: 'invalid: exec `/from-below`: Exec format error' },
  ])('says why $args.0 cannot be executed', async ({ args, why }) => {
    await expect(guest.start(args)).rejects.toThrow(why);
  });

  test('says which folder a process cannot begin in', async () => {
    const inFolder = (path: string) => (process: FieldWriter) => process.text(processTag.directory, path);
    await expect(guest.start(['/bin/sh'], inFolder('/none'))).rejects.toThrow(
      'chdir `/none`: No such file or directory',
    );
    await expect(guest.start(['/bin/sh'], inFolder('/bin/sh'))).rejects.toThrow(
      'chdir `/bin/sh`: Not a directory',
    );
  });

  test('passes input on, and its end', async () => {
    const program = await guest.start(['/bin/sh', '-c', 'cat; echo the end'], waiting);
    program.write('first\n');
    await program.sees('first\n');
    program.write('second\n');
    program.closeInput();
    expect(await program.finished).toMatchObject({ stdout: 'first\nsecond\nthe end\n', code: 0 });
  });

  test('passes more than a window on, both ways, without loss', async () => {
    const bytes = Buffer.alloc(200_000, 'x');
    const program = await guest.start(['/bin/sh', '-c', 'wc -c; seq 1 100000'], waiting);
    program.write(bytes);
    program.closeInput();
    const { stdout } = await program.finished;
    const lines = stdout.trimEnd().split('\n');
    expect([lines[0], lines.length, lines.at(-1)]).toEqual(['200000', 100_001, '100000']);
  });

  test('a process whose output nobody takes stops no other', async () => {
    const flood = await guest.start(['/bin/sh', '-c', 'seq 1 200000']);
    flood.hold(true);
    await flood.sees('10000\n');
    expect(await said(guest, 'echo still here')).toBe('still here');
    flood.hold(false);
    const { stdout } = await flood.finished;
    expect(stdout.endsWith('\n200000\n')).toBe(true);
  });

  test('runs a process on a terminal, with its size and new sizes', async () => {
    const program = await guest.start(['/bin/sh', '-c', 'tty; stty size; read line; stty size'], (process) =>
      process
        .number(processTag.terminal, 1)
        .number(processTag.stdin, 1)
        .number(processTag.rows, 30)
        .number(processTag.columns, 100),
    );
    await program.sees('30 100\r\n');
    guest.send(
      guestMessage.resize,
      program.id,
      fields((size) => size.number(guestTag.rows, 31).number(guestTag.columns, 101)),
    );
    program.write('go\n');
    const { stdout } = await program.finished;
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\n30 100\r\ngo\r\n31 101\r\n$/);
  });

  test('passes signals on and tells how a process ended', async () => {
    const program = await guest.start([
      '/bin/sh',
      '-c',
      'trap "echo caught; exit 7" TERM; echo ready; while :; do sleep 0.1; done',
    ]);
    await program.sees('ready');
    program.signal(15);
    expect(await program.finished).toMatchObject({ stdout: 'ready\ncaught\n', code: 7, signal: 0 });
    const killed = await guest.start(['/bin/busybox', 'sleep', '100']);
    killed.signal(9);
    expect(await killed.finished).toMatchObject({ code: 137, signal: 9, outOfMemory: false });
  });

  test('ends the wait for a process although a child of it has its output', async () => {
    const { stdout } = await guest.run(['/bin/sh', '-c', 'sleep 1000 & echo done']);
    expect(stdout).toBe('done\n');
    await said(guest, 'kill $(pidof sleep)');
  });

  test('lists its processes and gives the accounts of the kernel', async () => {
    const list = await guest.ask(guestMessage.processes);
    const commands = decodeFields(list).map(({ value }) => {
      const record = decodeFields(value);
      return [textOf(record, recordTag.command), textOf(record, recordTag.user)];
    });
    expect(commands).toContainEqual(['/bin/busybox\0cat\0', 'root']);
    const accounts = filesOf(await guest.ask(guestMessage.statistics));
    expect(accounts['cpu.stat']).toMatch(/^usage_usec \d+$/m);
    expect(Number(accounts['memory.current'])).toBeGreaterThan(0);
    expect(accounts['pids.max']).toBe('100\n');
    expect(accounts['net/dev']).toContain('eth0:');
    expect(accounts.meminfo).toContain('MemTotal:');
  });

  test('does not wait at a named pipe in the place of /etc/passwd', async () => {
    await said(guest, 'mv /etc/passwd /etc/kept && mkfifo /etc/passwd');
    const list = await guest.ask(guestMessage.processes);
    const users = decodeFields(list).map(({ value }) => textOf(decodeFields(value), recordTag.user));
    expect(users).toContain('0');
    expect(await said(guest, 'echo $HOME')).toBe('/');
    await said(guest, 'mv /etc/kept /etc/passwd');
  });

  test('ends at its limit of processes, and lives on', async () => {
    const { stderr } = await guest.run([
      '/bin/sh',
      '-c',
      'i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done',
    ]);
    expect(stderr).toContain("can't fork");
    await guest.run([
      '/bin/sh',
      '-c',
      'for p in /proc/[0-9]*; do read name < $p/comm; [ "$name" = sleep ] && kill -9 ${p#/proc/}; done',
    ]);
    expect(await said(guest, 'echo here')).toBe('here');
  });

  test('a process that eats the memory is killed for it, and no other', async () => {
    const hungry = await guest.run(['/bin/busybox', 'tail', '/dev/zero']);
    expect(hungry).toMatchObject({ code: 137, signal: 9, outOfMemory: true });
    expect(guest.events.some(({ type }) => type === guestMessage.outOfMemory)).toBe(true);
    expect(await said(guest, 'echo here')).toBe('here');
  });
});

describe('a stop', () => {
  const stopped = (stopGroup: number) => (process: FieldWriter) =>
    process.number(processTag.stopSignal, 15).number(processTag.stopGroup, stopGroup);

  test.each([
    {
      name: 'ends a shell that waits for a child',
      args: ['/bin/sh', '-c', '(echo ready; exec sleep 1000); exit 3'],
      code: 3,
      signal: 0,
    },
    {
      name: 'ends a process that is alone and deaf',
      args: ['/bin/sh', '-c', 'echo ready; exec sleep 1000'],
      code: 137,
      signal: 9,
    },
    {
      name: 'is left to who handles it',
      args: ['/bin/sh', '-c', 'trap "exit 5" TERM; sleep 1000 & echo ready; wait'],
      code: 5,
      signal: 0,
    },
  ])('$name', async ({ args, code, signal }) => {
    await using guest = await bootGuest();
    await guest.setUp();
    const program = await guest.start(args, stopped(1));
    await program.sees('ready');
    program.signal(15);
    expect(await program.finished).toMatchObject({ code, signal });
  });
});
