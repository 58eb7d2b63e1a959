import { describe, expect, test } from 'vitest';
import { digestOf } from '../base/index.ts';
import { choosePlatform, platformName } from './platform.ts';

const offered = (...names: string[]) =>
  names.map((name) => {
    const [os = '', architecture = '', variant] = name.split('/');
    const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    return { mediaType: 'm', size: 1, digest: digestOf(name), platform };
  });

function choice(wanted: string, ...names: string[]): string {
  const [os = '', architecture = '', variant] = wanted.split('/');
  const chosen = choosePlatform(
    offered(...names),
    { os, architecture, ...(variant === undefined ? {} : { variant }) },
    'app',
  );
  return chosen.platform === undefined ? 'any' : platformName(chosen.platform);
}

describe('the best platform is chosen', () => {
  test.each([
    ['linux/amd64', ['linux/arm64', 'linux/amd64'], 'linux/amd64'],
    ['linux/arm64', ['linux/arm64/v8'], 'linux/arm64/v8'],
    ['linux/arm64/v8', ['linux/arm64'], 'linux/arm64'],
    ['linux/arm', ['linux/arm/v5', 'linux/arm/v7', 'linux/arm/v6'], 'linux/arm/v7'],
    ['linux/arm/v6', ['linux/arm/v5', 'linux/arm/v7'], 'linux/arm/v5'],
    ['linux/amd64/v3', ['linux/amd64', 'linux/amd64/v2'], 'linux/amd64/v2'],
    ['linux/amd64', ['linux/amd64/v2', 'linux/amd64'], 'linux/amd64'],
    ['linux/amd64', ['linux/x86_64'], 'linux/x86_64'],
  ])('%s of %j', (wanted, names, expected) => {
    expect(choice(wanted, ...names)).toBe(expected);
  });

  test('or none, when only a newer CPU would do', () => {
    expect(() => choice('linux/amd64', 'linux/amd64/v3')).toThrow('no matching manifest for linux/amd64');
  });
});
