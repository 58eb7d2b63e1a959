import { notFound } from '../base/index.ts';
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

export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])].join('/');
}

function isSameMachine(offered: Platform, wanted: Platform): boolean {
  return offered.os === wanted.os && architectureOf(offered) === architectureOf(wanted);
}

/** Names of machines as uname(1) spells them are accepted too. */
function architectureOf({ architecture }: Platform): string {
  const aliases: Record<string, string> = {
    x86_64: 'amd64',
    aarch64: 'arm64',
    i386: '386',
    armhf: 'arm',
    armel: 'arm',
  };
  return aliases[architecture] ?? architecture;
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
