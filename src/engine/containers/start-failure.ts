import { BerthError, errorMessage, isBerthError, type PortProtocol } from '../../base/index.ts';
import { findPortHolder } from '../../network/index.ts';
import type { FileWorker } from '../../runtime/index.ts';
import type { EngineLog } from '../parts.ts';
import {
  type ContainerMount,
  type ContainerRecord,
  commandOf,
  isActive,
  isAlive,
  isComputer,
  isMachine,
} from './container.ts';
import type { ContainerContext } from './context.ts';
import { imageOf } from './create.ts';
import { openRoot } from './files/open.ts';
import { explainProgram } from './programs/explain-program.ts';
import { viewOf } from './programs/file-view.ts';
import type { ProgramHost, ProgramQuery } from './programs/find-program.ts';

/** A start's failure in words for the user: the OCI runtime's and the kernel's terms become the reason. */
export async function explainStartFailure(
  error: unknown,
  context: ContainerContext,
  record: ContainerRecord,
): Promise<BerthError> {
  const known =
    error instanceof BerthError ? error : new BerthError('internal', errorMessage(error), { cause: error });
  if (isBerthError(known, 'conflict')) return (await takenPort(context, record, known)) ?? known;
  if (isComputer(record)) return known; // its programs are its own
  const { config } = record;
  const query = {
    program: commandOf(config)[0] ?? '',
    env: config.env,
    workingDir: config.workingDir,
    user: config.user,
    on: await programHost(context, record),
  };
  return explainCommandFailure(known, query, context.parts.log, async () => ({
    worker: await (isMachine(record) ? openImage(context, record) : openRoot(context, record)),
    mounts: isActive(record.state) ? [] : record.mounts,
  }));
}

/** Whose kernel starts a container's programs. */
export async function programHost(context: ContainerContext, record: ContainerRecord): Promise<ProgramHost> {
  const { architecture: own } = context.parts.hostFacts;
  if (!isMachine(record)) return { architecture: own, isMachine: false };
  const image = await imageOf(context, record).catch(() => undefined); // that it is gone is what is being explained
  return { architecture: image?.config.architecture || own, isMachine: true };
}

/** What a virtual machine begins with: what it has written since is on its own disk. */
async function openImage(context: ContainerContext, record: ContainerRecord): Promise<FileWorker> {
  const { layers } = await imageOf(context, record);
  return context.parts.launcher.openFiles({ layers: layers.map(({ path }) => path), writable: undefined });
}

/** Files to look at after a failure; the worker is closed then. */
export interface FailedRoot {
  readonly worker: FileWorker;
  /** Those that the worker does not show. */
  readonly mounts: readonly ContainerMount[];
}

/** A failure of a command in Docker's words, with what its file says; a failure of something else stays as it is. */
export async function explainCommandFailure(
  error: BerthError,
  query: ProgramQuery,
  log: EngineLog,
  open: () => Promise<FailedRoot>,
): Promise<BerthError> {
  const failure = commandFailure(error, query.program);
  if (failure === undefined) return error;
  if (failure.about === 'folder') return failure.error;
  try {
    const { worker, mounts } = await open();
    await using files = worker;
    const fault = await explainProgram(viewOf(files, mounts), query);
    if (fault === undefined) return failure.error;
    const message = `${failure.error.message}: ${fault.reason}`;
    return new BerthError('invalid', message, { hint: fault.hint, cause: error });
  } catch (reason) {
    log.warn({ error: errorMessage(reason) }, 'a program that could not be executed could not be looked at');
    return failure.error;
  }
}

/**
 * The exit code that goes with a failed start: 127 for a command that is not there, 126 for one that cannot be
 * executed, 128 for the rest. Docker's clients read the same from the message.
 */
export function startExitCode({ message }: BerthError): number {
  if (/executable file not found|no such file or directory/i.test(message)) return 127;
  if (/permission denied|(is|not) a directory|exec format error/i.test(message)) return 126;
  return 128;
}

/** A failure in Docker's words, and whether it is about the program or about the working directory. */
export interface CommandFailure {
  readonly about: 'program' | 'folder';
  readonly error: BerthError;
}

/** crun's and runc's messages about the program itself, in Docker's words; undefined for all others. */
export function commandFailure(error: BerthError, program: string): CommandFailure | undefined {
  return folderFailure(error) ?? programFailure(error, program);
}

function folderFailure(error: BerthError): CommandFailure | undefined {
  const text = error.message;
  const folder = /(?:chdir(?: to cwd)?|error during container init: mkdir) [(`"]*([^`"):]*)/i.exec(text)?.[1];
  if (folder === undefined) return undefined;
  const reason =
    ['not a directory', 'permission denied'].find((words) => text.toLowerCase().includes(words)) ??
    'no such file or directory';
  const hint =
    reason === 'permission denied'
      ? 'Let its user enter it, or choose another one with -w'
      : 'Make it in the image, or choose another one with -w';
  const message = `the working directory ${folder} cannot be entered: ${reason}`;
  return { about: 'folder', error: new BerthError('invalid', message, { hint, cause: error }) };
}

function programFailure(error: BerthError, program: string): CommandFailure | undefined {
  const text = error.message;
  const failed = (reason: string, hint: string): CommandFailure => {
    const message = `unable to start container process: exec: "${program}": ${reason}`;
    return { about: 'program', error: new BerthError('invalid', message, { hint, cause: error }) };
  };
  const missing = () =>
    program.includes('/')
      ? failed(`stat ${program}: no such file or directory`, 'Check that the image has this file')
      : failed('executable file not found in $PATH', `Check the name, or give the program's whole path`);
  if (/executable file.* not found|(stat|exec|open).*no such file or directory/i.test(text)) return missing();
  if (/(stat|exec|open).*not a directory/i.test(text)) {
    return failed(`stat ${program}: not a directory`, 'Check the path');
  }
  if (/(stat|exec|open).*too many levels of symbolic links/i.test(text)) {
    return failed('too many levels of symbolic links', 'Check what it links to');
  }
  if (/open executable: operation not permitted/i.test(text)) {
    // crun's word for whatever is no regular file; for an empty name that is the root itself.
    return program === ''
      ? failed('executable file not found in $PATH', 'The command is empty: name a program')
      : failed('is a directory', 'Name a program in it');
  }
  if (/exec format error/i.test(text)) {
    return failed('exec format error', 'The file is no program for this machine');
  }
  if (/is a directory/i.test(text)) return failed('is a directory', 'Name a file in it');
  if (/permission denied/i.test(text)) {
    return failed(
      'permission denied',
      'Check the modes of the file and of the folders above it, and that its mount is not noexec',
    );
  }
  return undefined;
}

/** Who holds a port that could not be bound. */
async function takenPort(
  context: ContainerContext,
  record: ContainerRecord,
  cause: BerthError,
): Promise<BerthError | undefined> {
  for (const { hostIp, hostPort, lastHostPort, protocol } of record.host.ports) {
    if (hostPort === 0 || lastHostPort !== undefined) continue; // the supervisor has said all that there is to say
    const holder = await portHolder(context, record, protocol, hostIp, hostPort);
    if (holder === undefined) continue;
    const address = `${hostIp === '' ? '0.0.0.0' : hostIp}:${hostPort}`;
    return new BerthError(
      'conflict',
      `failed to set up container networking: Bind for ${address} failed: port is already allocated by ${holder}`,
      { hint: 'Choose another host port with -p', cause },
    );
  }
  return undefined;
}

async function portHolder(
  context: ContainerContext,
  record: ContainerRecord,
  protocol: PortProtocol,
  hostIp: string,
  hostPort: number,
): Promise<string | undefined> {
  const other = context.collection.all().find(({ id, state }) => {
    if (id === record.id || !isAlive(state)) return false;
    return state.ports.some((port) => port.hostPort === hostPort && port.protocol === protocol);
  });
  if (other !== undefined) return `container ${other.name}`;
  const process = await findPortHolder(protocol, hostIp === '' ? '0.0.0.0' : hostIp, hostPort);
  return process === undefined ? undefined : `process ${process.pid} (${process.command})`;
}
