import { expect } from 'vitest';
import type { Instance } from './instance.ts';

/** What a shell line prints in a container without a network that has these options; fails the test when it fails. */
export async function shellOutput(
  instance: Instance,
  script: string,
  options: readonly string[],
): Promise<string> {
  const args = ['run', '--rm', '--network', 'none', ...options, 'busybox', 'sh', '-c', script];
  return (await instance.berthOk(args)).trim();
}

/** Why a container with these options is not created. */
export async function createRefusal(instance: Instance, options: readonly string[]): Promise<string> {
  const { code, stderr } = await instance.berth(['create', ...options, 'busybox', 'true']);
  expect(code).not.toBe(0);
  return stderr;
}
