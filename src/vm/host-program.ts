import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { systemErrorCode, unavailable } from '../base/index.ts';

/** A program of the host that machines are run by. */
export interface HostProgram {
  readonly path: string;
  /** What does not go without it: "virtual machines cannot run". */
  readonly need: string;
  /** What to do where it is missing. */
  readonly install: string;
}

/** Throws `unavailable` for one that is missing or cannot be executed, with its path and the way out. */
export async function requireProgram({ path, need, install }: HostProgram): Promise<void> {
  try {
    await access(path, constants.X_OK);
  } catch (cause) {
    switch (systemErrorCode(cause)) {
      case 'ENOENT':
      case 'ENOTDIR':
        throw unavailable(`${need}: ${path} is not installed`, { hint: install, cause });
      case 'EACCES':
        throw unavailable(`${need}: ${path} cannot be executed`, {
          hint: `Make it executable (chmod 755 ${path}), on a file system that is not mounted noexec`,
          cause,
        });
      default:
        throw cause;
    }
  }
}
