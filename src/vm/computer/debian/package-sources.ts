import { runChecked } from '../../../base/index.ts';
import type { DebianRelease } from './releases.ts';

/** Where packages come from: archives as apt knows them, ending in a slash or not. */
export interface Archives {
  readonly main: string;
  readonly security: string;
}

const DEBIAN: Archives = {
  main: 'http://deb.debian.org/debian',
  security: 'http://deb.debian.org/debian-security',
};

/** What apt is to tell of each of its sources: all of its archives have an origin and a label (DebianRepository/Format). */
const FORMAT = '$(REPO_URI) $(ORIGIN) $(LABEL)';

/** The archives that the host's own apt has packages from, else Debian's own. */
export async function hostArchives(signal?: AbortSignal): Promise<Archives> {
  const options = signal === undefined ? {} : { signal };
  const { stdout } = await runChecked(
    'apt-get',
    ['indextargets', '--format', FORMAT, 'Created-By: Packages'],
    options,
  );
  return archivesIn(stdout.toString());
}

/** As {@link hostArchives}, of what `apt-get indextargets` has said. */
export function archivesIn(text: string): Archives {
  const find = (label: string) =>
    text
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, origin, ...words]) => origin === 'Debian' && words.join(' ') === label)?.[0];
  const main = find('Debian') ?? DEBIAN.main;
  return { main, security: find('Debian-Security') ?? DEBIAN.security };
}

/** sources.list(5) of a release. */
export function sourcesOf({ codename, updates, security }: DebianRelease, archives: Archives): string {
  const lines = [
    ...[codename, ...updates].map((suite) => `deb ${archives.main} ${suite} main`),
    ...security.map((suite) => `deb ${archives.security} ${suite} main`),
  ];
  return `${lines.join('\n')}\n`;
}

/** What the host's apt is told about fetching, as lines of apt.conf(5): a way through a proxy, and clocks that are wrong. */
export async function hostAptSettings(signal?: AbortSignal): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  const { stdout } = await runChecked('apt-config', ['dump'], options);
  const settings = stdout
    .toString()
    .split('\n')
    .filter((line) => FETCHING.test(line));
  return settings.map((line) => `${line}\n`).join('');
}

const FETCHING = /^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) /;
