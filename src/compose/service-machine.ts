import type { EndpointSettings, MachineCreateRequest, MachineSource, PortBinding } from '../client/index.ts';
import { asBytes, fieldsOf } from './fields.ts';
import { checkKeys, MACHINE, MACHINE_SERVICE, X_BERTH } from './known-keys.ts';
import { asMap, asNumber, asText, asTexts, type Located, type LocatedMap, wrongAt } from './located-yaml.ts';
import type { Service, ServiceMachine } from './model.ts';
import { hostPath } from './short-forms.ts';

/** Reads `x-berth` of a service. Throws `invalid` with the place. */
export function parseMachine(node: Located, directory: string): ServiceMachine | undefined {
  const map = asMap(node);
  checkKeys(map, X_BERTH);
  return fieldsOf(map)('machine', (value) => parseOptions(asMap(value), directory));
}

function parseOptions(map: LocatedMap, directory: string): ServiceMachine {
  checkKeys(map, MACHINE);
  const get = fieldsOf(map);
  const path = (node: Located) => hostPath(asText(node), directory);
  return {
    source: get('from', (node) => parseSource(node, directory)) ?? { Kind: 'empty' },
    cpus: get('cpus', asNumber),
    memory: get('memory', asBytes),
    model: get('type', (node) => oneOf(node, ['q35', 'pc', 'microvm'] as const)),
    firmware: get('firmware', (node) => oneOf(node, ['bios', 'uefi'] as const)),
    disks: get('disks', parseDisks) ?? [],
    iso: get('iso', path),
    user: get('user', asText),
    sshKeys: get('ssh_keys', asTexts) ?? [],
    packages: get('packages', asTexts) ?? [],
    run: get('run', asTexts) ?? [],
  };
}

/** "debian", "debian:RELEASE", a URL with "#sha256=" and what it brings, or a file. */
function parseSource(node: Located, directory: string): MachineSource {
  const text = asText(node);
  const [, isDebian, release] = /^(debian)(?::(.+))?$/.exec(text) ?? [];
  if (isDebian !== undefined) return { Kind: 'debian', Release: release };
  if (!/^https?:\/\//.test(text)) return { Kind: 'image', Path: hostPath(text, directory) };
  const [, url = '', sha256] = /^(.*)#sha256[=:]([0-9a-fA-F]{64})$/.exec(text) ?? [];
  if (sha256 !== undefined) return { Kind: 'image', Url: url, Sha256: sha256 };
  throw wrongAt(node, `${node.path}: what is downloaded needs its sha256`, 'Write URL#sha256=HEX');
}

/** Names and sizes. */
function parseDisks(node: Located): ServiceMachine['disks'] {
  return [...asMap(node).entries].map(([Name, size]) => ({ Name, Size: asBytes(size) }));
}

function oneOf<const Word extends string>(node: Located, words: readonly Word[]): Word {
  const text = asText(node);
  const word = words.find((known) => known === text);
  if (word !== undefined) return word;
  throw wrongAt(node, `${node.path}: "${text}" is none of ${words.join(', ')}`);
}

/** What only containers have would be without any effect. Throws `invalid` with the place. */
export function checkMachineService(name: string, map: LocatedMap): void {
  for (const [key, value] of map.entries) {
    if (MACHINE_SERVICE.supported.includes(key) || key.startsWith('x-')) continue;
    throw wrongAt(
      map.keys.get(key) ?? value,
      `service "${name}" is a machine (x-berth.machine), which has no ${key}`,
    );
  }
}

/** What a machine gets beside its service's own words, as a container would. */
export interface MachinePlace {
  readonly labels: Readonly<Record<string, string>>;
  readonly networks: Readonly<Record<string, EndpointSettings>>;
  readonly ports: Readonly<Record<string, readonly PortBinding[]>>;
  readonly common: Pick<MachineCreateRequest, 'RestartPolicy' | 'Healthcheck'>;
}

/** A service as the body of POST /berth/machines/create. */
export function machineRequest(
  service: Service,
  machine: ServiceMachine,
  place: MachinePlace,
): MachineCreateRequest {
  const { user, sshKeys, packages, run } = machine;
  return {
    Source: machine.source,
    Cpus: machine.cpus ?? service.cpus,
    Memory: machine.memory ?? service.memory,
    Model: machine.model,
    Firmware: machine.firmware,
    Disks: machine.disks,
    Iso: machine.iso,
    Networks: place.networks,
    Ports: place.ports,
    CloudInit: { Hostname: service.hostname, User: user, SshKeys: sshKeys, Packages: packages, Run: run },
    Labels: place.labels,
    StopTimeout: service.stopGracePeriod,
    ...place.common,
  };
}
