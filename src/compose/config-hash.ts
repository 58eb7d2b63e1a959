import { digestHex, digestOf } from '../base/index.ts';
import type { ProjectNetwork, ProjectVolume, Service } from './model.ts';

/**
 * A hash of what a service's container is made from: when it changes, the container is recreated. What decides only about
 * images, order and numbers is left out, as in Docker Compose; its hashes differ from these.
 */
export function serviceHash(service: Service): string {
  const { build, dependsOn, profiles, pullPolicy, scale, ...config } = service;
  return hashOf(JSON.stringify(config, inOrder));
}

/**
 * A hash of what a network is made from: Docker Compose's, so that either tool takes the other's network for its own.
 * It hashes JSON, whose members and their order are those of `NetworkConfig` in compose-go; ipam is always there.
 */
export function networkHash(network: ProjectNetwork): string {
  const { name, driver, driverOptions, subnet, gateway, ipRange, internal, attachable, enableIpv6 } = network;
  const pool = { subnet, gateway, ip_range: ipRange };
  const hasPool = Object.values(pool).some((member) => member !== undefined);
  return hashOf(
    JSON.stringify({
      name,
      driver,
      driver_opts: textMap(driverOptions),
      ipam: hasPool ? { config: [pool] } : {},
      internal: internal || undefined,
      attachable: attachable || undefined,
      labels: textMap(network.labels),
      enable_ipv6: enableIpv6,
    }),
  );
}

/**
 * A hash of what a volume is made from: Docker Compose's, which otherwise would ask to make the volume anew, without its
 * data. It hashes JSON, whose members and their order are those of `VolumeConfig` in compose-go.
 */
export function volumeHash({ name, driver = 'local', driverOptions, labels }: ProjectVolume): string {
  return hashOf(
    JSON.stringify({ name, driver, driver_opts: textMap(driverOptions), labels: textMap(labels) }),
  );
}

function hashOf(text: string): string {
  return digestHex(digestOf(text));
}

/** With the keys in order; undefined for none, as Go leaves out empty maps. */
function textMap(map: ReadonlyMap<string, string | null>): Record<string, string> | undefined {
  if (map.size === 0) return undefined;
  return Object.fromEntries([...map].sort(byName).map(([key, value]) => [key, value ?? '']));
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
