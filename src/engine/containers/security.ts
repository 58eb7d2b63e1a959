import { readFile } from 'node:fs/promises';
import { invalid, notImplemented, systemErrorCode } from '../../base/index.ts';
import type { SeccompInput } from '../../runtime/index.ts';

/** What `--security-opt` asks for, in all its forms. */
export interface SecurityOptions {
  /** "unconfined", "builtin", a profile, or the path of one; undefined: not said. */
  readonly seccomp: string | undefined;
  readonly noNewPrivileges: boolean;
}

/**
 * Reads `--security-opt`: "NAME=VALUE", "NAME:VALUE" as older clients have it, or "no-new-privileges" alone. Throws
 * `invalid` in Docker's words for what is none, `not-implemented` for the profiles of kernels' modules that berth does not set.
 */
export function parseSecurity(options: readonly string[]): SecurityOptions {
  let seccomp: string | undefined;
  let noNewPrivileges = false;
  for (const option of options) {
    const [, name = '', value] = /^([^=:]*)(?:[=:](.*))?$/s.exec(option) ?? [];
    if (value === undefined && name !== 'no-new-privileges') {
      throw invalid(`invalid --security-opt 1: "${option}"`);
    }
    switch (name) {
      case 'no-new-privileges':
        noNewPrivileges = truth(option, value);
        break;
      case 'seccomp':
        seccomp = value;
        break;
      case 'apparmor':
      case 'label':
        if (value !== 'unconfined' && value !== 'disable') throw refusedModule(option, name);
        break;
      default:
        throw invalid(`invalid --security-opt 2: "${option}"`);
    }
  }
  return { seccomp, noNewPrivileges };
}

function truth(option: string, value = 'true'): boolean {
  if (value !== 'true' && value !== 'false') throw invalid(`invalid --security-opt 2: "${option}"`);
  return value === 'true';
}

/** The filter of a container. Docker's CLI sends the profile itself; a path is read here for clients that do not. */
export async function seccompOf({ seccomp = 'builtin' }: SecurityOptions): Promise<SeccompInput> {
  if (seccomp === 'builtin') return { kind: 'default' };
  if (seccomp === 'unconfined') return { kind: 'unconfined' };
  if (!seccomp.startsWith('/')) return { kind: 'custom', profile: seccomp };
  try {
    return { kind: 'custom', profile: await readFile(seccomp, 'utf8') };
  } catch (cause) {
    const reason = systemErrorCode(cause) === 'ENOENT' ? 'no such file or directory' : String(cause);
    throw invalid(`opening seccomp profile (${seccomp}) failed: ${reason}`, { cause });
  }
}

function refusedModule(option: string, name: 'apparmor' | 'label') {
  const module = name === 'apparmor' ? 'AppArmor' : 'SELinux';
  return notImplemented(`berth does not set profiles of ${module}: --security-opt ${option}`, {
    hint: 'Leave it out; the container has the default seccomp profile and capabilities all the same',
  });
}
