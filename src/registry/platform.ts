import { invalid, notFound } from '../base/index.ts';
import type { Platform, PlatformDescriptor } from './contract.ts';

/**
 * The entry that runs best on a platform (containerd's rules: a newer CPU runs what was built for older variants).
 * Throws `not-found` with what is offered.
 */
export function choosePlatform(
  entries: readonly PlatformDescriptor[],
  wanted: Platform,
  name: string,
): PlatformDescriptor {
  const images = entries.filter(({ platform }) => platform?.os !== 'unknown'); // attestations
  for (const variant of acceptedVariants(wanted)) {
    const match = images.find(({ platform }) => {
      return platform !== undefined && isSameMachine(platform, wanted) && variantOf(platform) === variant;
    });
    if (match !== undefined) return match;
  }
  const anywhere = images.find(({ platform }) => platform === undefined);
  if (anywhere !== undefined) return anywhere;
  const offered = images.flatMap(({ platform }) => (platform === undefined ? [] : [platformName(platform)]));
  throw notFound(`no matching manifest for ${platformName(wanted)} in the manifest list entries of ${name}`, {
    hint:
      offered.length === 0 ? 'It lists no images' : `It is offered for ${[...new Set(offered)].join(', ')}`,
  });
}

/** Whether an image for one platform is what somebody wants who asked for another, by the same rules. */
export function runsOn(offered: Platform, wanted: Platform): boolean {
  return isSameMachine(offered, wanted) && acceptedVariants(wanted).includes(variantOf(offered));
}

/**
 * A platform as users write it, "linux/arm64/v8", "linux" or "arm64"; what is left out, and "" as a whole, is this
 * machine's. Names are made those of images: "aarch64" is arm64. Throws `invalid` for what is no platform.
 */
export function parsePlatform(text: string): Platform {
  const own: Platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  if (text === '') return own;
  const parts = text.toLowerCase().split('/');
  const [first = '', second, variant = ''] = parts;
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw invalid(`invalid platform "${text}"`, { hint: 'A platform is os[/architecture[/variant]]' });
  }
  if (second === undefined) {
    if (SYSTEMS.includes(first)) return { ...own, os: first };
    const architecture = architectureOf({ os: 'linux', architecture: first });
    if (ARCHITECTURES.includes(architecture)) return { os: 'linux', architecture };
    throw invalid(`invalid platform "${text}": unknown operating system or architecture`);
  }
  const architecture = architectureOf({ os: first, architecture: second });
  return { os: first, architecture, ...(variant === '' ? {} : { variant }) };
}

const SYSTEMS = ['linux', 'windows', 'freebsd', 'darwin'];
const ARCHITECTURES = ['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips64le', 'ppc64le', 'riscv64', 's390x'];

export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])].join('/');
}

function isSameMachine(offered: Platform, wanted: Platform): boolean {
  return offered.os === wanted.os && architectureOf(offered) === architectureOf(wanted);
}

/** Names of machines as uname(1) spells them are accepted too. */
const ARCHITECTURE_ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm',
  armel: 'arm',
};

function architectureOf({ architecture }: Platform): string {
  return ARCHITECTURE_ALIASES[architecture] ?? architecture;
}

function variantOf(platform: Platform): string {
  const { variant = '' } = platform;
  if (variant !== '') return variant;
  return { amd64: 'v1', arm64: 'v8', arm: 'v7' }[architectureOf(platform)] ?? '';
}

/** Best first: all variants from the wanted one down. */
function acceptedVariants(wanted: Platform): string[] {
  const variant = variantOf(wanted);
  const lowest: Record<string, number> = { amd64: 1, arm: 5 };
  const from = Number(/^v([0-9]+)$/.exec(variant)?.[1] ?? Number.NaN);
  const to = lowest[architectureOf(wanted)];
  if (to === undefined || Number.isNaN(from)) return [variant];
  return Array.from({ length: Math.max(1, from - to + 1) }, (_, step) => `v${from - step}`);
}
