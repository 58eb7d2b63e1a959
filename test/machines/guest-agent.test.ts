import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GuestAgent } from '../../src/vm/index.ts';

const { signal } = new AbortController();

let folder: string;
let socketPath: string;
let agentProcess: ChildProcess;
let agent: GuestAgent;

/** The real agent, beside us instead of in a guest. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-'));
  socketPath = join(folder, 's');
  const words = ['-m', 'unix-listen', '-p', socketPath, '-t', folder, '-f', join(folder, 'pid')];
  agentProcess = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'perl', '-e', HANDED_SOCKET, socketPath, 'qemu-ga', ...words],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  await said(agentProcess, 'listening');
  agent = new GuestAgent({ openAgent: async () => open(socketPath) });
});
afterAll(async () => {
  agentProcess.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Gives a program a socket that can be connected to already (sd_listen_fds(3)). */
const HANDED_SOCKET = `
use IO::Socket::UNIX; use POSIX; $| = 1; $^F = 3;
my $socket = IO::Socket::UNIX->new(Local => shift, Listen => 8) or die $!;
POSIX::dup2(fileno($socket), 3) if fileno($socket) != 3;
$ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$;
print "listening\n";
exec @ARGV or die $!;`;

async function said({ stdout }: ChildProcess, word: string): Promise<void> {
  if (stdout === null) throw new Error('it cannot be heard');
  for await (const line of createInterface({ input: stdout })) if (line === word) return;
  throw new Error('it has ended');
}

async function open(path: string): Promise<Socket> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

describe('a command in a guest', () => {
  test('gives its output, its errors and its exit status', async () => {
    const { exitCode, output, errorOutput } = await agent.run(
      { args: ['sh', '-c', 'echo out; echo err >&2; exit 3'] },
      signal,
    );
    expect([exitCode, String(output), String(errorOutput)]).toEqual([3, 'out\n', 'err\n']);
  });

  test('reads what it is given, in a folder and with variables of its own', async () => {
    const command = { args: ['sh', '-c', 'pwd; echo "$A"; cat'], env: ['A=b c'], directory: '/usr' };
    const { output } = await agent.run({ ...command, input: Buffer.from('in') }, signal);
    expect(String(output)).toBe('/usr\nb c\nin');
  });

  test('that a signal ends has its number and 128 as status', async () => {
    const { exitCode } = await agent.run({ args: ['sh', '-c', 'kill -KILL $$'] }, signal);
    expect(exitCode).toBe(137);
  });

  test('that there is not has the status 127, and says so', async () => {
    const { exitCode, errorOutput } = await agent.run({ args: ['no-such-program'] }, signal);
    expect(exitCode).toBe(127);
    expect(String(errorOutput)).toContain('no-such-program: there is no such program');
  });

  test('does not keep others out while it runs, and ends when nobody waits for it', async () => {
    const leaving = new AbortController();
    const fifo = join(folder, 'fifo');
    await agent.run({ args: ['mkfifo', fifo] }, signal);
    const long = agent.run(
      {
        args: [
          'sh',
          '-c',
          `trap 'echo ended >${fifo}; exit' TERM; echo begun >${fifo}; while :; do read x <${folder}/fifo2; done`,
        ],
      },
      leaving.signal,
    );
    expect(await readFile(fifo, 'utf8')).toBe('begun\n');
    leaving.abort();
    await expect(long).rejects.toThrow('abort');
    expect(await readFile(fifo, 'utf8')).toBe('ended\n');
  });
});

describe('a file in a guest', () => {
  test('is written and read in pieces', async () => {
    const content = Buffer.alloc(3_000_000, 'piece');
    const path = join(folder, 'file');
    await agent.write(path, pieces(content), signal);
    expect((await readFile(path)).equals(content)).toBe(true);
    const read: Buffer[] = [];
    for await (const part of agent.read(path, signal)) read.push(part);
    expect(read.length).toBeGreaterThan(1);
    expect(Buffer.concat(read).equals(content)).toBe(true);
  });

  test('that is missing is named', async () => {
    await expect(agent.read('/no/such', signal).next()).rejects.toThrow(
      '/no/such: no such file or directory in the machine',
    );
    await expect(agent.write('/no/such', pieces(Buffer.from('x')), signal)).rejects.toThrow('/no/such');
  });

  test('may be empty', async () => {
    const path = join(folder, 'empty');
    await writeFile(path, '');
    expect(await agent.read(path, signal).next()).toEqual({ done: true, value: undefined });
  });
});

async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 700_000) yield content.subarray(at, at + 700_000);
}

describe('a guest without an agent', () => {
  test('is told apart, with what to install there', async () => {
    const path = join(folder, 'silent');
    const held: Socket[] = [];
    await using server = createServer((socket) => held.push(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const nobody = new GuestAgent({ openAgent: async () => open(path) }, 1);
    await expect(nobody.run({ args: ['true'] }, signal)).rejects.toMatchObject({
      kind: 'unavailable',
      hint: expect.stringContaining('apt-get install qemu-guest-agent'),
    });
    for (const socket of held) socket.destroy();
  });

  test('that comes later does not take an answer to somebody else for its own', async () => {
    const socket = await open(socketPath);
    socket.write(
      '{"execute":"guest-ping"}\n{"execute":"guest-sync-delimited","arguments":{"id":7}}\n{"execute":',
    );
    const one = new GuestAgent({ openAgent: async () => socket });
    const { exitCode } = await one.run({ args: ['no-such-program'] }, signal);
    expect(exitCode).toBe(127);
  });
});
