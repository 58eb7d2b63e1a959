import { digestHex, digestOf } from '../base/index.ts';
import type { ProjectNetwork, ProjectVolume, Service } from './model.ts';

/**
 * A hash of what a service's container is made from: when it changes, the container is recreated. What decides only about
 * images, order and numbers is left out, as in Docker Compose; its hashes differ from these.
 */
export function serviceHash(service: Service): string {
  const { build, dependsOn, profiles, pullPolicy, scale, ...config } = service;
  return hashOf(config);
}

/** A hash of what a network is made from. */
export function networkHash(network: ProjectNetwork): string {
  return hashOf(network);
}

/** A hash of what a volume is made from. */
export function volumeHash(volume: ProjectVolume): string {
  return hashOf(volume);
}

function hashOf(value: unknown): string {
  return digestHex(digestOf(JSON.stringify(value, inOrder)));
}

/**
 * Members in the order of their names, so that the order in the file does not matter, without those that say nothing:
 * a newer berth that knows more of them must not recreate what it finds.
 */
function inOrder(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].sort(byName));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => !saysNothing(member))
      .sort(byName),
  );
}

function saysNothing(value: unknown): boolean {
  if (value instanceof Map) return value.size === 0;
  return value === undefined || value === false || (Array.isArray(value) && value.length === 0);
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
