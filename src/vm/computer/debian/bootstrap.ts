import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { systemErrorCode, unavailable } from '../../../base/index.ts';

/** What a system's tree is made of. */
export interface Bootstrap {
  readonly codename: string;
  readonly packages: readonly string[];
  /** As in sources.list(5); the system keeps them. */
  readonly sources: string;
  /** As in apt.conf(5), for this time only. */
  readonly aptSettings: string;
  /** A folder whose files are put into the system before its packages are set up. */
  readonly files: string;
}

/** Documentation is left to manpages.debian.org; licences stay. */
const LEFT_OUT = [
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/locale/*',
  'path-include=/usr/share/locale/locale.alias',
];

/**
 * Makes a Debian system as a tree in the new folder `target`, whose parent is used for temporary files. All of it happens in
 * namespaces of its own, so nothing stays mounted or running, however it ends. Throws `unavailable` with mmdebstrap's own words.
 */
export async function bootstrap(
  target: string,
  { codename, packages, sources, aptSettings, files }: Bootstrap,
  options: { readonly signal?: AbortSignal; readonly onLine?: (line: string) => void } = {},
): Promise<void> {
  const [sourcesFile, settingsFile] = [`${target}.sources.list`, `${target}.apt.conf`];
  await writeFile(sourcesFile, sources);
  await writeFile(settingsFile, `${aptSettings}Apt::Install-Recommends "false";\n`);
  await runAlone(
    'mmdebstrap',
    [
      ...['--mode=root', '--format=directory', '--variant=minbase', `--include=${packages.join(',')}`],
      `--aptopt=${settingsFile}`,
      ...LEFT_OUT.map((option) => `--dpkgopt=${option}`),
      `--essential-hook=sync-in '${files}' /`,
      ...[codename, target, sourcesFile],
    ],
    options,
  );
}

/** Ends with berthd, and with it all that it has started. */
async function runAlone(
  file: string,
  args: readonly string[],
  { signal, onLine }: { readonly signal?: AbortSignal; readonly onLine?: (line: string) => void },
): Promise<void> {
  const namespaces = ['--mount', '--pid', '--ipc', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('setpriv', ['--pdeathsig=KILL', 'unshare', ...namespaces, '--', file, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' },
    killSignal: 'SIGKILL', // unshare passes over others while it waits
    ...(signal === undefined ? {} : { signal }),
  });
  const failures: string[] = [];
  createInterface(child.stderr).on('line', (line) => {
    if (/^(E:|W:|dpkg: error)/.test(line)) failures.push(line);
    onLine?.(line);
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('close', (code) => resolve(code ?? 1));
  const code = await promise.catch((error: unknown) => {
    if (systemErrorCode(error) === 'ABORT_ERR') throw error;
    throw unavailable(`${file} could not be started`, { cause: error });
  });
  signal?.throwIfAborted();
  if (code !== 0)
    throw unavailable(`${file} failed with exit code ${code}: ${failures.slice(-5).join('; ')}`);
}
