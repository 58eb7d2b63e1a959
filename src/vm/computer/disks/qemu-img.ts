import {
  errorMessage,
  invalid,
  noSpace,
  type RunResult,
  run,
  systemErrorCode,
  unavailable,
} from '../../../base/index.ts';
import { type Confinement, confinedCommand, type Limits } from './confined-program.ts';

/** Of what it prints, so much is kept: an image that is full of errors makes it print a line for each. */
const MOST_OUTPUT = 64 * 1024;

/** In the words of programs (LC_ALL=C). */
const NO_SPACE = 'No space left on device';

/** Checking reads only tables: a disk of 16 TiB has some gigabytes of them at most. */
export const CHECK_LIMITS: Limits = { cpuSeconds: 300, memory: 2 * 1024 ** 3, milliseconds: 20 * 60_000 };

/** Copying a disk takes as long as the disk is large. */
export const COPY_LIMITS: Limits = {
  cpuSeconds: 6 * 3600,
  memory: 2 * 1024 ** 3,
  milliseconds: 12 * 3_600_000,
};

export interface QemuImgRun {
  /** For messages: what it is done to. */
  readonly subject: string;
  /** Where it runs, so that a user who may not look into the folders above it finds its files. */
  readonly folder: string;
  readonly confinement: Confinement;
  readonly signal: AbortSignal | undefined;
}

/** qemu-img, confined: what it reads may have been made to harm it. Callers name all formats and files ({@link imageName}). */
export class QemuImg {
  readonly #searchPath: string;

  /** `searchPath` as in PATH. */
  constructor(searchPath: string) {
    this.#searchPath = searchPath;
  }

  /**
   * Its exit code and what it printed. Throws `unavailable` when it is not installed or the disk is full, `invalid` when
   * the limits did not do.
   */
  async run(
    args: readonly string[],
    { subject, folder, confinement, signal }: QemuImgRun,
  ): Promise<RunResult> {
    const command = confinedCommand(confinement, 'qemu-img', args);
    const patience = AbortSignal.timeout(confinement.limits.milliseconds);
    const result = await run(command.file, command.args, {
      cwd: folder,
      env: { PATH: this.#searchPath, LC_ALL: 'C' },
      signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
      keep: MOST_OUTPUT,
    }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw patience.aborted ? tooLong(subject, confinement.limits.milliseconds / 1000) : error;
    });
    return understand(result, subject, confinement.limits);
  }

  /** As {@link run}; any other exit code than 0 throws `unavailable` with its own words. */
  async runChecked(args: readonly string[], options: QemuImgRun): Promise<RunResult> {
    const result = await this.run(args, options);
    if (result.code === 0) return result;
    throw unavailable(`qemu-img ${args[0]} of ${options.subject} failed: ${words(result)}`);
  }
}

function understand(result: RunResult, subject: string, limits: Limits): RunResult {
  const { code, stderr } = result;
  if (code === 127 && stderr.startsWith('setpriv:')) {
    throw unavailable('machines need qemu-img for their disks, which is not installed', {
      hint: 'Install it: apt-get install qemu-utils',
    });
  }
  if (code === 128) throw tooLong(subject, limits.cpuSeconds);
  if (stderr.includes(NO_SPACE)) throw noSpaceFor(subject, stderr);
  if (/[Cc]annot allocate memory|could not allocate|failed to allocate|out of memory/i.test(stderr)) {
    throw invalid(`${subject} needs more than ${limits.memory / 1024 ** 2} MiB of memory to be read`);
  }
  return result;
}

/** The last thing that it said. */
export function words({ stderr, code }: RunResult): string {
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return last === '' ? `exit code ${code}` : last.replace(/^qemu-img: /, '');
}

/** A full disk in words that name what there was no room for, whoever met it; other errors as they are. */
export function explainNoSpace(error: unknown, subject: string): unknown {
  const isFull = systemErrorCode(error) === 'ENOSPC' || errorMessage(error).includes(NO_SPACE);
  return isFull ? noSpaceFor(subject, error) : error;
}

function noSpaceFor(subject: string, cause: unknown) {
  const { message, hint = '' } = noSpace(cause);
  return unavailable(`${message}: there is no room for ${subject}`, { hint, cause });
}

const tooLong = (subject: string, seconds: number) =>
  invalid(`${subject} takes more than ${seconds} s to be read`);
