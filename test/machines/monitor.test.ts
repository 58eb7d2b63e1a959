import { existsSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect, ended, readLog } from '../../src/runtime/test-instance.ts';
import { MachineControl } from '../../src/vm/control.ts';
import { guestProcess, OUTPUT, privateKilobytes } from '../vm/hand-made-machine.ts';
import {
  type ComputerOptions,
  type ComputerSystem,
  HandMadeComputers,
  type RunningComputer,
} from './hand-made-computer.ts';
import { tinySystem } from './tiny-system.ts';

const SIGTERM = 15;

let computers: HandMadeComputers;
let system: ComputerSystem;
beforeAll(async () => {
  computers = await HandMadeComputers.create();
  system = await tinySystem(computers.instance.folder);
});
afterAll(async () => {
  await computers[Symbol.asyncDispose]();
});

async function started(options: ComputerOptions = {}): Promise<RunningComputer> {
  const computer = await computers.start(system, options);
  await computer.shows('up');
  return computer;
}

describe("a computer's console", () => {
  test('is the terminal, both ways, and its log', async () => {
    const computer = await started();
    await computer.type('hello');
    await computer.shows('hello');
    await computer.type('p');
    await collect(computer.session);
    await ended(computer.supervisor);
    const log = await readLog(join(computer.plan.directory, 'log'));
    expect(log.map((line) => line.log).join('')).toMatch(/up\r\nhello/);
  });

  test('is standard input and output without a terminal', async () => {
    const computer = await started({ plan: { terminal: false } });
    await computer.type('hello');
    await computer.shows('hello');
    await computer.kill();
  });

  test('that writes without end stops nothing else, and does not grow the monitor', async () => {
    const computer = await started();
    await computer.type('f');
    expect(await computer.control.execute('query-status')).toMatchObject({ running: true });
    await computer.shows('f'.repeat(1000));
    expect(await privateKilobytes(computer.pid)).toBeLessThan(2048);
    await computer.kill();
  });
});

describe('a computer', () => {
  test('that is switched off from inside ends with 0, and leaves nothing', async () => {
    const computer = await started();
    await computer.type('p');
    expect(await computer.supervisor.exited).toMatchObject({ code: 0 });
    await ended(computer.supervisor);
    expect(existsSync(computer.folder)).toBe(false);
  });

  test('hears its power button at each SIGTERM, and decides itself', async () => {
    const computer = await started();
    await computer.supervisor.signal(SIGTERM);
    await computer.shows('the power button');
    await computer.supervisor.signal(SIGTERM);
    expect((await collect(computer.session)).stdout).toContain('the power button');
    expect(await computer.supervisor.exited).toMatchObject({ code: 0 });
  });

  test('that resets goes on', async () => {
    const computer = await started();
    await computer.type('r');
    await computer.shows('up');
    await computer.kill();
  });

  test('is gone at once with SIGKILL, QEMU with it', async () => {
    const computer = await started();
    const qemu = await computer.qemu();
    await computer.kill();
    expect(await computer.supervisor.exited).toMatchObject({ code: 137 });
    expect(existsSync(`/proc/${qemu}`)).toBe(false);
  });

  test('whose kernel panics says so on its console, and ends with 1', async () => {
    const computer = await started();
    await computer.type('x');
    expect((await collect(computer.session)).stdout).toMatch(
      /berth: the virtual machine has stopped: its kernel panicked/,
    );
    expect(await computer.supervisor.exited).toMatchObject({ code: 1 });
  });

  test('whose QEMU dies says so on its console, and ends with 1', async () => {
    const computer = await started();
    process.kill(await computer.qemu(), 'SIGKILL');
    expect((await collect(computer.session)).stdout).toMatch(/has stopped: QEMU ended by signal 9/);
    expect(await computer.supervisor.exited).toMatchObject({ code: 1 });
  });

  test('stands still while it is paused', async () => {
    const computer = await started();
    await computer.supervisor.pause();
    expect(await computer.control.execute('query-status')).toMatchObject({ status: 'paused' });
    await computer.supervisor.resume();
    expect(await computer.control.execute('query-status')).toMatchObject({ status: 'running' });
    await computer.kill();
  });

  test('runs no processes for berth, in words', async () => {
    const computer = await started();
    await expect(computer.supervisor.exec(guestProcess(['true']), OUTPUT)).rejects.toThrow(
      /whole computer.*guest agent/,
    );
    await expect(new MachineControl(computer.folder).statistics()).rejects.toThrow(/does not understand/);
    await computer.kill();
  });

  test('that QEMU refuses is refused with its words, and another one of the plan is tried', async () => {
    const { supervisor } = await computers.prepare(system, {
      machines: (good) => [{ ...good, args: ['-no-such-option'] }],
    });
    await expect(supervisor.run()).rejects.toThrow(/no-such-option/);
    await ended(supervisor);
    const computer = await started({
      machines: (good) => [{ ...good, script: [{ command: { execute: 'no-such-command' } }] }, good],
    });
    expect((await new MachineControl(computer.folder).state()).passedOver).toEqual([
      expect.stringContaining('no-such-command'),
    ]);
    await computer.kill();
  });
});

describe('the control of a computer', () => {
  let computer: RunningComputer;
  beforeAll(async () => {
    computer = await started();
  });
  afterAll(async () => {
    await computer.kill();
  });

  test("has QEMU's answers, and its refusals in its words", async () => {
    const names = await computer.control.execute('qom-list', { path: '/machine' });
    expect(names).toContainEqual(expect.objectContaining({ name: 'peripheral' }));
    await expect(computer.control.execute('no-such-command')).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/QEMU refuses no-such-command: .*not been found/),
    });
  });

  test('answers to many at the same time, each with its own', async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => `0x${(index + 1).toString(16)}`);
    const answers = numbers.map((number) =>
      computer.control.execute('human-monitor-command', { 'command-line': `print ${number}` }),
    );
    expect(await Promise.all(answers)).toEqual(numbers.map((number) => `${number}\r\n`));
  });

  test('tells the events that a command brings about', async () => {
    await using events = await computer.control.events();
    await computer.control.execute('system_reset');
    const reset = await events.find(({ name }) => name === 'RESET');
    expect(reset.data).toMatchObject({ guest: false });
    await computer.control.execute('stop');
    await computer.control.execute('cont');
    expect(await events.find(({ name }) => name === 'STOP')).toBeDefined();
    expect(await events.find(({ name }) => name === 'RESUME')).toBeDefined();
    await computer.shows('up');
  });

  test('gives QEMU an open file that is not in its root', async () => {
    const path = join(computers.instance.folder, 'more');
    await writeFile(path, Buffer.alloc(65_536, 'm'));
    await using file = await open(path, 'r');
    expect(
      await computer.control.execute('add-fd', { 'fdset-id': 7 }, { descriptor: file.fd }),
    ).toMatchObject({ 'fdset-id': 7 });
    await computer.control.execute('blockdev-add', {
      driver: 'file',
      'node-name': 'more',
      filename: '/dev/fdset/7',
      'read-only': true,
    });
    const nodes = await computer.control.execute('query-named-block-nodes', { flat: true });
    expect(nodes).toContainEqual(
      expect.objectContaining({
        'node-name': 'more',
        image: expect.objectContaining({ 'virtual-size': 65_536 }),
      }),
    );
    await computer.control.execute('blockdev-del', { 'node-name': 'more' });
    await expect(computer.control.execute('no-such-command', {}, { descriptor: file.fd })).rejects.toThrow(
      /QEMU refuses no-such-command/,
    );
  });

  test("lends the guest agent's stream to one at a time, in turn", async () => {
    const first = await computer.control.openAgent();
    let isSecond = false;
    const second = computer.control.openAgent().then((socket) => {
      isSecond = true;
      return socket;
    });
    expect(await converse(first, 'abc')).toBe('ABC');
    expect(isSecond).toBe(false);
    first.destroy();
    const next = await second;
    expect(await converse(next, 'def')).toBe('DEF');
    next.end();
    expect(await text(next)).toBe('');
  });

  test('forgets whoever waits for the agent and goes', async () => {
    const first = await computer.control.openAgent();
    const impatient = new AbortController();
    const waiting = expect(computer.control.openAgent(impatient.signal)).rejects.toThrow();
    await computer.control.execute('query-status'); // by now it has very likely asked
    impatient.abort();
    await waiting;
    const last = computer.control.openAgent();
    first.destroy();
    const socket = await last;
    expect(await converse(socket, 'ghi')).toBe('GHI');
    socket.destroy();
  });
});

test('the control of a computer that ends tells whoever listens', async () => {
  const computer = await started();
  const events = await computer.control.events();
  await computer.kill();
  await expect(events.find(({ name }) => name === 'NEVER')).rejects.toMatchObject({ kind: 'unavailable' });
  await expect(computer.control.execute('query-status')).rejects.toMatchObject({ kind: 'unavailable' });
});

/** Says something, and waits for as much. */
async function converse(socket: Socket, words: string): Promise<string> {
  socket.write(words);
  let heard = '';
  while (heard.length < words.length) {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    socket.once('data', resolve);
    heard += (await promise).toString();
  }
  return heard;
}
