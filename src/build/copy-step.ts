import type { FileWorker } from '../runtime/index.ts';
import { resolveUser } from '../runtime/index.ts';
import type { CopyInstruction, Origin } from './dockerfile/instructions.ts';
import { wrong } from './dockerfile/wrong.ts';

/** A COPY or ADD with its texts expanded. */
export type CopyStep = Origin &
  Omit<CopyInstruction, 'mode'> & {
    /** Permission bits of --chmod. */
    readonly mode: number | undefined;
  };

/** Where a copy goes. */
export interface CopyTarget {
  /** The stage's root. */
  readonly files: FileWorker;
  /** Absolute in that root; a slash at its end means a folder. */
  readonly destination: string;
  readonly signal: AbortSignal;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Permission bits from --chmod's octal text. */
export function parseMode(origin: Origin, text: string): number {
  if (/^[0-7]{3,4}$/.test(text)) return Number.parseInt(text, 8);
  throw wrong(
    origin,
    `invalid chmod parameter: '${text}'. it should be octal string`,
    'Write it like 755 or 0644',
  );
}

/** Docker's rule: a slash at the end, several sources, or a folder that is there already. */
export async function isFolderDestination(
  { files, destination }: CopyTarget,
  sources: number,
): Promise<boolean> {
  if (destination.endsWith('/') || sources > 1) return true;
  return (await files.stat(destination, { follow: true }))?.type === 'directory';
}

/** The owner that --chown names by the root's own accounts; undefined without the flag. */
export async function resolveOwner(step: CopyStep, files: FileWorker): Promise<Owner | undefined> {
  if (step.owner === undefined) return undefined;
  const read = async (path: string) =>
    (await files.stat(path, { follow: true })) === undefined ? '' : (await files.readFile(path)).toString();
  const [user = '', group] = step.owner.split(':');
  const accounts = { passwd: await read('/etc/passwd'), group: await read('/etc/group') };
  const { uid, gid } = resolveUser(step.owner, accounts);
  // A lone numeric user is its own group here, unlike for processes (Dockerfile reference, COPY --chown).
  return group === undefined && /^\d+$/.test(user) ? { uid, gid: Number(user) } : { uid, gid };
}
