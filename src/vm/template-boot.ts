import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Duplex, type Readable } from 'node:stream';
import { decodeFields, errorMessage, FrameDecoder, internal, numberOf, unavailable } from '../base/index.ts';
import { GUEST_VERSION, guestMessage, guestTag } from './guest-protocol.ts';
import {
  type Boot,
  bootSteps,
  type MachineShape,
  machineArguments,
  migrationCapabilities,
} from './machine-arguments.ts';
import { Qmp } from './qmp.ts';
import { VM_AGENT_DESCRIPTOR, VM_QMP_DESCRIPTOR } from './vm-plan.ts';

/** A guest that is not there by then hangs: even a host that is busy with thirty other things boots one in half of it. */
const BOOT_TIMEOUT_MS = 120_000;

/** As much of what QEMU and the kernel say is kept to explain a failure. */
const LAST_WORDS = 4096;

export interface TemplateBoot {
  /** QEMU. */
  readonly program: string;
  readonly shape: MachineShape;
  readonly boot: Boot;
  /** The guest's memory; made here. */
  readonly memoryFile: string;
  /** A folder of the template's own. */
  readonly folder: string;
  readonly socketDirectory: string;
  readonly signal: AbortSignal;
}

/**
 * Boots a guest until its agent is ready, stops it and returns the state of its devices; its memory then is in the file.
 * The guest has only berth's own programs in it and no disk, so this QEMU is not confined further than by its sandbox.
 */
export async function bootTemplate(template: TemplateBoot): Promise<Buffer> {
  const { folder, shape, memoryFile } = template;
  const shares = join(folder, 'shares');
  await mkdir(shares);
  const memory = await open(memoryFile, 'wx', 0o600);
  await memory.truncate(shape.memory).finally(() => memory.close());
  const origin = { kind: 'template', boot: template.boot, memoryFile } as const;
  const signal = AbortSignal.any([template.signal, AbortSignal.timeout(BOOT_TIMEOUT_MS)]);
  // It must not outlive berthd, however that ends.
  const args = [
    '--pdeathsig',
    'KILL',
    template.program,
    ...machineArguments(shape, origin, { kind: '9p', folder: shares }),
  ];
  const child = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] });
  const ended = endOf(child);
  const words = lastWords(child);
  try {
    const early = ended.then((how) => {
      throw unavailable(how);
    });
    return await Promise.race([early, aborted(signal), stateOf(child, template)]);
  } catch (error) {
    child.kill('SIGKILL');
    const how = await ended;
    // A channel that closes is only how its end is seen.
    const reason = how === KILLED ? errorMessage(error) : how;
    throw unavailable(`a guest could not be booted for a template: ${reason}${words()}`, { cause: error });
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

const KILLED = 'QEMU has ended (SIGKILL)';

async function stateOf(child: ChildProcess, { socketDirectory }: TemplateBoot): Promise<Buffer> {
  const qmp = new Qmp(channelOf(child, VM_QMP_DESCRIPTOR));
  await Promise.all([
    guestReady(channelOf(child, VM_AGENT_DESCRIPTOR)),
    qmp.perform(bootSteps({ layers: undefined, writable: undefined })),
  ]);
  await qmp.perform([{ command: { execute: 'stop' } }, migrationCapabilities]);
  await using receiver = await receiveState(socketDirectory);
  await qmp.perform([
    { command: { execute: 'migrate', arguments: { uri: `unix:${receiver.path}` } } },
    { event: 'MIGRATION', words: ['"completed"'] },
  ]);
  return receiver.received;
}

/** Resolves when the agent says that it is ready. */
async function guestReady(channel: Duplex): Promise<void> {
  const decoder = new FrameDecoder();
  for await (const chunk of channel) {
    for (const frame of decoder.push(chunk)) {
      if (frame.type !== guestMessage.ready) throw internal(`the guest says ${frame.type} instead of READY`);
      const version = numberOf(decodeFields(frame.payload), guestTag.version);
      if (version === GUEST_VERSION) return;
      throw internal(`the guest speaks version ${version} of the protocol instead of ${GUEST_VERSION}`);
    }
  }
  throw unavailable('the guest has ended');
}

/** Takes what QEMU sends on a socket: it can write to no file that it does not open by a command line of a shell. */
async function receiveState(
  directory: string,
): Promise<AsyncDisposable & { readonly path: string; readonly received: Promise<Buffer> }> {
  const path = join(directory, `t-${randomBytes(4).toString('hex')}`);
  const { promise: received, resolve, reject } = Promise.withResolvers<Buffer>();
  received.catch(() => {}); // nobody may wait for it any more
  const server = createServer((socket) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('error', reject);
  });
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(path, listening.resolve);
  await listening.promise;
  return {
    path,
    received,
    async [Symbol.asyncDispose]() {
      server.close();
      await rm(path, { force: true });
    },
  };
}

function channelOf(child: ChildProcess, descriptor: number): Duplex {
  const channel: unknown = child.stdio[descriptor];
  if (channel instanceof Duplex) return channel.on('error', () => {}); // its end says enough
  throw internal(`descriptor ${descriptor} of QEMU is no channel`);
}

/** How the process ended, or that it could not be started. */
function endOf(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once('error', (error) => resolve(`QEMU could not be started: ${error.message}`));
  child.once('close', (code, signal) => resolve(`QEMU has ended (${signal ?? code})`));
  return promise;
}

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(unavailable(`it was given up: ${errorMessage(signal.reason)}`));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return promise;
}

function lastWords(child: ChildProcess): () => string {
  let kept = '';
  const keep = (chunk: Buffer) => {
    kept = (kept + chunk.toString()).slice(-LAST_WORDS);
  };
  for (const stream of [child.stdout, child.stderr] satisfies (Readable | null)[]) stream?.on('data', keep);
  return () => (kept.trim() === '' ? '' : `; its last words: ${kept.trim()}`);
}
