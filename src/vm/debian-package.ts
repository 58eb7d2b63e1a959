import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runChecked, unavailable } from '../base/index.ts';
import { type Architecture, hostArchitecture } from './architecture.ts';

/** Runs a tool of apt's with arguments, in a folder. */
export type Apt = (
  tool: 'apt-get' | 'apt-cache',
  args: readonly string[],
  folder?: string,
) => Promise<string>;

/**
 * The tools for an architecture's packages. Of the host's own, apt has lists already. For another architecture it gets some of
 * its own below `folder`, so that the host's dpkg need not know of it. Throws `unavailable` with what apt says.
 */
export async function aptFor(architecture: Architecture, folder: string, signal?: AbortSignal): Promise<Apt> {
  const isOwn = architecture.name === hostArchitecture().name;
  const options = isOwn ? [] : settingsOf(architecture, folder);
  const apt: Apt = async (tool, args, cwd) => {
    const { stdout } = await runChecked(tool, [...options, ...args], {
      ...(cwd === undefined ? {} : { cwd }),
      ...(signal === undefined ? {} : { signal }),
    });
    return stdout.toString();
  };
  if (isOwn) return apt;
  for (const name of ['lists/partial', 'cache/archives/partial']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await apt('apt-get', ['update', '--quiet']);
  return apt;
}

/** Of apt.conf(5). */
function settingsOf({ name }: Architecture, folder: string): string[] {
  const settings = {
    'APT::Architecture': name,
    'APT::Architectures': name,
    'Acquire::Languages': 'none',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
  };
  return Object.entries(settings).flatMap(([setting, value]) => ['-o', `${setting}=${value}`]);
}

/** Fetches a package and unpacks it (it is not installed) into `folder`; returns the folder of its files. */
export async function unpackPackage(
  apt: Apt,
  name: string,
  folder: string,
  signal?: AbortSignal,
): Promise<string> {
  // As root, apt says that it did not give its rights up for a folder that only root may read: that is no error.
  await apt('apt-get', ['download', '--quiet', name], folder);
  const archive = (await readdir(folder)).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw unavailable(`apt-get download ${name} left no package`);
  const root = join(folder, 'root');
  await runChecked('dpkg-deb', ['-x', join(folder, archive), root], signal === undefined ? {} : { signal });
  return root;
}
