import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  isBerthError,
  runChecked,
  systemErrorCode,
  unavailable,
  writeFileAtomic,
} from '../../../base/index.ts';

/** The public keys that a new machine lets in: the caller's in ~/.ssh, or one that berth makes for its machines, once. */
export async function callersKeys(env: NodeJS.ProcessEnv): Promise<string[]> {
  const own = await publicKeysIn(join(homeOf(env), '.ssh'));
  return own.length > 0 ? own : [await machineKey(env)];
}

/** The path of berth's own private key for machines, whose public half lies beside it. */
export function machineKeyPath(env: NodeJS.ProcessEnv): string {
  return join(configurationFolder(env), 'machine_ed25519');
}

/** The hosts that berth's ssh has met: a machine is known there by its id, as addresses are given again. */
export function knownHostsPath(env: NodeJS.ProcessEnv): string {
  return join(configurationFolder(env), 'known_hosts');
}

/** Made where it is missing, for its owner alone. */
export async function openConfigurationFolder(env: NodeJS.ProcessEnv): Promise<void> {
  const folder = configurationFolder(env);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
}

function configurationFolder(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CONFIG_HOME || join(homeOf(env), '.config'), 'berth');
}

function homeOf(env: NodeJS.ProcessEnv): string {
  return env.HOME || homedir();
}

async function publicKeysIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const keys = names.filter((name) => name.endsWith('.pub')).map((name) => readKey(join(folder, name)));
  return (await Promise.all(keys)).filter((key) => key !== '');
}

async function readKey(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim();
}

async function machineKey(env: NodeJS.ProcessEnv): Promise<string> {
  const path = machineKeyPath(env);
  const known = await readKey(`${path}.pub`).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (known !== undefined) return known;
  await openConfigurationFolder(env);
  try {
    return await makeKey(path);
  } catch (cause) {
    if (!isBerthError(cause, 'unavailable')) throw cause;
    throw unavailable('there is no key in ~/.ssh, and none could be made', {
      hint: 'Install ssh-keygen (apt-get install openssh-client), or name a public key: --ssh-key FILE',
      cause,
    });
  }
}

/** Where several make it at once, all take the one that was there first. Returns the public half. */
async function makeKey(path: string): Promise<string> {
  const own = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await runChecked('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'berth machines', '-f', own]);
    await link(own, path).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    });
    const { stdout } = await runChecked('ssh-keygen', ['-y', '-f', path]);
    await writeFileAtomic(`${path}.pub`, stdout, 0o644);
  } finally {
    for (const file of [own, `${own}.pub`]) await rm(file, { force: true });
  }
  return readKey(`${path}.pub`);
}
