import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectTo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { conflict, parseDuration, systemErrorCode, unavailable } from '../../../base/index.ts';
import type { EngineClient, HostAddress, MachineInspect } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { CliCommand, parsedOption } from '../../grammar.ts';
import { knownHostsPath, machineKeyPath, openConfigurationFolder } from './ssh-keys.ts';

interface SshFlags {
  readonly user?: string;
  readonly identity?: string;
  /** Nanoseconds. */
  readonly wait: number;
}

/** A system that boots under emulation takes a minute. */
const DEFAULT_WAIT = 5 * 60 * 1e9;

export function sshCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Log in to a machine, or run a command there, by ssh', {
    interspersed: false,
  });
  command
    .usage('[OPTIONS] MACHINE [COMMAND] [ARG...]')
    .argument('<machine>')
    .argument('[command...]')
    .option('-l, --user <string>', 'The user to log in as (default: the one of its first boot)')
    .option('-i, --identity <file>', 'The private key to log in with')
    .addOption(
      parsedOption(
        '--wait <duration>',
        'Wait so long for a system that boots (default 5m; 0s: not at all)',
        parseDuration,
      ).default(DEFAULT_WAIT, '5m'),
    )
    .action(async (machine: string, words: readonly string[], flags: SshFlags) => {
      cli.exitCode = await ssh(cli, machine, words, flags);
    });
  return command;
}

async function ssh(cli: Cli, reference: string, words: readonly string[], flags: SshFlags): Promise<number> {
  const client = await cli.connect();
  const machine = await client.machines.inspect(reference);
  const place = placeOf(machine, client.host);
  if (flags.wait > 0) await answering(client, machine, place, flags.wait / 1e6);
  await openConfigurationFolder(cli.env);
  const args = [...(await options(cli, machine, flags)), '-p', String(place.port), place.host, ...words];
  const child = spawn('ssh', args, { stdio: 'inherit' });
  const [code, signal] = (await once(child, 'exit').catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    throw unavailable('there is no ssh here', { hint: 'Install it: apt-get install openssh-client' });
  })) as [number | null, string | null];
  return code ?? (signal === null ? 1 : 128);
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Its own address where the engine is on this host, else a port of the engine's host that leads to it. */
function placeOf({ Name: name, State: state, Networks, Ports }: MachineInspect, engine: HostAddress): Place {
  if (!state.Running) {
    throw conflict(`the machine ${name} does not run`, { hint: `Start it: berth vm start ${name}` });
  }
  const isLocal = engine.kind === 'unix';
  const address = Object.values(Networks).find(({ IPAddress, Gateway }) => IPAddress && Gateway)?.IPAddress;
  if (isLocal && address !== undefined && address !== '') return { host: address, port: 22 };
  const published = Ports.find(({ PrivatePort, Type }) => PrivatePort === 22 && Type === 'tcp')?.PublicPort;
  if (published !== undefined) {
    return { host: engine.kind === 'tcp' ? engine.hostname : '127.0.0.1', port: published };
  }
  throw unavailable(
    `the machine ${name} cannot be reached from here: ${isLocal ? 'it is on no network of the host' : 'its engine is on another host'}`,
    {
      hint: 'Publish its port 22 (berth vm create -p 2222:22), or use its console: berth vm console',
    },
  );
}

/** Milliseconds between two questions. */
const PATIENCE = 250;

/** Resolves when ssh answers there. Throws `unavailable` when the time is over, or the machine ends before. */
async function answering(
  client: EngineClient,
  { Id: id, Name: name }: MachineInspect,
  place: Place,
  milliseconds: number,
): Promise<void> {
  const ended = new AbortController();
  const pending = await client.machines.wait(id, { signal: ended.signal });
  let hasEnded = false;
  void pending.exit().then(
    () => (hasEnded = true),
    () => {},
  );
  const end = performance.now() + milliseconds;
  try {
    while (!(await hasBanner(place))) {
      if (hasEnded) {
        throw unavailable(`the machine ${name} has ended before it answered`, {
          hint: `Its console tells why: berth vm logs ${name}`,
        });
      }
      if (performance.now() >= end) {
        throw unavailable(`nothing answers to ssh on ${name} (${place.host}, port ${place.port})`, {
          hint: `Its console tells why: berth vm logs ${name}`,
        });
      }
      await delay(PATIENCE);
    }
  } finally {
    ended.abort();
  }
}

/** A connection that is not even refused, as before the guest has its address, is given up after this many milliseconds. */
const CONNECT_TIMEOUT = 2000;

/** Whether an SSH server says who it is (RFC 4253, 4.2). */
async function hasBanner({ host, port }: Place): Promise<boolean> {
  const socket = connectTo({ host, port });
  socket.setTimeout(CONNECT_TIMEOUT, () => socket.destroy());
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('data', (chunk) => resolve(chunk.toString('latin1', 0, 4) === 'SSH-'));
  socket.once('error', () => resolve(false));
  socket.once('close', () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

async function options(cli: Cli, machine: MachineInspect, flags: SshFlags): Promise<string[]> {
  const identity = flags.identity ?? (await ownIdentity(cli, machine));
  const user = flags.user ?? machine.CloudInit?.User;
  return [
    ...['-o', `HostKeyAlias=berth-${machine.Id}`, '-o', `UserKnownHostsFile=${knownHostsPath(cli.env)}`],
    // The way to a machine is a link of this host's; its first key is taken as it comes, later ones must be the same.
    ...['-o', 'StrictHostKeyChecking=accept-new', '-o', 'LogLevel=ERROR'],
    ...(identity === undefined ? [] : ['-i', identity]),
    ...(user === undefined ? [] : ['-l', user]),
  ];
}

/** Berth's own key, if the machine was made to let it in; without it ssh takes the caller's. */
async function ownIdentity(cli: Cli, { CloudInit: init }: MachineInspect): Promise<string | undefined> {
  const path = machineKeyPath(cli.env);
  const known = await readFile(`${path}.pub`, 'utf8').catch(() => '');
  return known !== '' && init?.SshKeys?.includes(known.trim()) === true ? path : undefined;
}
