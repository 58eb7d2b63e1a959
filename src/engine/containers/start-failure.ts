import { BerthError, errorMessage, isBerthError } from '../../base/index.ts';
import { findPortHolder } from '../../network/index.ts';
import { type ContainerRecord, commandOf, isActive } from './container.ts';
import type { ContainerContext } from './context.ts';
import { explainProgramFile } from './program-file.ts';

/** A start's failure in words for the user: the OCI runtime's and the kernel's terms become the reason. */
export async function explainStartFailure(
  error: unknown,
  context: ContainerContext,
  record: ContainerRecord,
): Promise<BerthError> {
  const known =
    error instanceof BerthError ? error : new BerthError('internal', errorMessage(error), { cause: error });
  if (isBerthError(known, 'conflict')) return (await takenPort(context, record, known)) ?? known;
  const program = commandOf(record.config)[0] ?? '';
  const failure = commandFailure(known, program);
  if (failure === undefined) return known;
  const reason = await explainProgramFile(context, record, program);
  if (reason === undefined) return failure;
  return new BerthError('invalid', `${failure.message}: ${reason}`, { cause: error });
}

/**
 * The exit code that goes with a failed start: 127 for a command that is not there, 126 for one that cannot be
 * executed, 128 for the rest. Docker's clients read the same from the message.
 */
export function startExitCode({ message }: BerthError): number {
  if (/executable file not found|no such file or directory/i.test(message)) return 127;
  if (/permission denied|is a directory|exec format error/i.test(message)) return 126;
  return 128;
}

/** crun's and runc's messages about the program itself, in Docker's words. */
export function commandFailure(error: BerthError, program: string): BerthError | undefined {
  const text = error.message;
  const failed = (reason: string, hint: string) =>
    new BerthError('invalid', `unable to start container process: exec: "${program}": ${reason}`, {
      hint,
      cause: error,
    });
  const folder = /chdir(?: to cwd)? [(`"]*([^`")]*)/i.exec(text)?.[1];
  if (folder !== undefined) {
    const reason = /not a directory/i.test(text) ? 'not a directory' : 'no such file or directory';
    return new BerthError('invalid', `the working directory ${folder} cannot be entered: ${reason}`, {
      hint: 'Make it in the image, or choose another one with -w',
      cause: error,
    });
  }
  if (/executable file .* not found in \$PATH/i.test(text)) {
    return failed('executable file not found in $PATH', `Check the name, or give the program's whole path`);
  }
  if (/executable file .* not found|(stat|exec|open).*no such file or directory/i.test(text)) {
    return program.includes('/')
      ? failed(
          `stat ${program}: no such file or directory`,
          'Check that the image has this file, and its interpreter',
        )
      : failed('executable file not found in $PATH', `Check the name, or give the program's whole path`);
  }
  if (/open executable: operation not permitted/i.test(text)) {
    // crun's word for whatever is no regular file; for an empty name that is the root itself.
    return program === ''
      ? failed('executable file not found in $PATH', 'The command is empty: name a program')
      : failed('is a directory', 'Name a program in it');
  }
  if (/exec format error/i.test(text)) {
    return failed(
      'exec format error',
      'The file is no program for this machine, or a script without a "#!" line',
    );
  }
  if (/is a directory/i.test(text)) return failed('is a directory', 'Name a file in it');
  if (/permission denied/i.test(text)) {
    return failed('permission denied', 'The file needs its execute bit: chmod +x in the image');
  }
  return undefined;
}

/** Who holds a port that could not be bound. */
async function takenPort(
  context: ContainerContext,
  record: ContainerRecord,
  cause: BerthError,
): Promise<BerthError | undefined> {
  for (const { hostIp, hostPort, protocol } of record.host.ports) {
    if (hostPort === 0) continue;
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
  protocol: 'tcp' | 'udp',
  hostIp: string,
  hostPort: number,
): Promise<string | undefined> {
  const other = context.collection.all().find(({ id, state }) => {
    if (id === record.id || !isActive(state)) return false;
    return state.ports.some((port) => port.hostPort === hostPort && port.protocol === protocol);
  });
  if (other !== undefined) return `container ${other.name}`;
  const process = await findPortHolder(protocol, hostIp === '' ? '0.0.0.0' : hostIp, hostPort);
  return process === undefined ? undefined : `process ${process.pid} (${process.command})`;
}
