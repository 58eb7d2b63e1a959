import { invalid, isBerthError } from '../../base/index.ts';
import type { ComputerModel, Firmware } from '../../vm/index.ts';
import { machineOf } from '../containers/computer/bundle.ts';
import type { ContainerRecord } from '../containers/container.ts';
import type { Healthcheck, PortBinding, RestartPolicy } from '../containers/index.ts';
import type { Networks } from '../networks.ts';
import type { NewMachine } from './new-machine.ts';

/** What an archive keeps of a machine beside its disks. Of its networks only names: addresses and cards are of this host alone, as media are. */
export interface MachineDescription {
  readonly source: string;
  readonly model: ComputerModel;
  readonly firmware: Firmware;
  readonly cpus: number;
  readonly memory: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly firstBoot: NewMachine['firstBoot'] | undefined;
  /** Undefined: an earlier berth wrote it, which kept none of what follows. */
  readonly networks: readonly DescribedNetwork[] | undefined;
  readonly ports: readonly PortBinding[];
  readonly restart: RestartPolicy;
  readonly healthcheck: Healthcheck | undefined;
  /** Seconds. */
  readonly stopTimeout: number | undefined;
}

export interface DescribedNetwork {
  readonly name: string;
  readonly aliases: readonly string[];
}

export const NOTHING_TOLD: NewMachine['firstBoot'] = {
  hostname: undefined,
  user: undefined,
  sshKeys: [],
  packages: [],
  run: [],
  userData: undefined,
};

export function describeMachine(record: ContainerRecord, networks: Networks): MachineDescription {
  const { source, model, firmware, firstBoot } = machineOf(record);
  const { config, host } = record;
  return {
    ...{ source, model, firmware, labels: config.labels },
    cpus: host.resources.nanoCpus / 1e9,
    memory: host.resources.memory,
    firstBoot: firstBoot && { ...NOTHING_TOLD, ...firstBoot },
    networks: record.networks.map(({ network, aliases }) => ({ name: nameOf(networks, network), aliases })),
    ports: host.ports,
    restart: host.restart,
    healthcheck: config.healthcheck,
    stopTimeout: config.stopTimeout,
  };
}

/** Of a network that was removed meanwhile, what it was called by. */
function nameOf(networks: Networks, reference: string): string {
  try {
    return networks.find(reference).network.name;
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    return reference;
  }
}

/** Anybody may have written it. What hardware, first boot, names and health checks may be is judged as for any new machine. */
export function parseMachineDescription(value: unknown): MachineDescription {
  const machine = object(value, 'the machine');
  const { source, model, firmware, cpus, memory, labels, firstBoot, networks, ports, healthcheck } = machine;
  if (model !== 'q35' && model !== 'pc' && model !== 'microvm') throw damaged('its model');
  if (firmware !== 'bios' && firmware !== 'uefi') throw damaged('its firmware');
  if (typeof cpus !== 'number' || !(cpus > 0)) throw damaged('its processors');
  if (!isCount(memory, Number.MAX_SAFE_INTEGER) || memory === 0) throw damaged('its memory');
  return {
    ...{ source: text(source, 'its source'), model, firmware, cpus, memory },
    labels: Object.fromEntries(
      Object.entries(object(labels, 'its labels')).map(([key, label]) => [key, text(label, 'a label')]),
    ),
    firstBoot: firstBoot === undefined ? undefined : parseFirstBoot(object(firstBoot, 'its first boot')),
    networks: networks === undefined ? undefined : list(networks, 'its networks').map(parseNetwork),
    ports: ports === undefined ? [] : list(ports, 'its ports').map(parsePort),
    restart: machine.restart === undefined ? { name: 'no' } : parseRestart(machine.restart),
    healthcheck: healthcheck === undefined ? undefined : parseHealthcheck(healthcheck),
    stopTimeout: machine.stopTimeout === undefined ? undefined : seconds(machine.stopTimeout),
  };
}

function parseFirstBoot({ user, sshKeys, packages, run, userData }: Fields): NewMachine['firstBoot'] {
  return {
    hostname: undefined,
    user: user === undefined ? undefined : text(user, 'its user'),
    sshKeys: texts(sshKeys, 'its keys'),
    packages: texts(packages, 'its packages'),
    run: texts(run, 'its commands'),
    userData: userData === undefined ? undefined : text(userData, 'its user data'),
  };
}

function parseNetwork(value: unknown): DescribedNetwork {
  const { name, aliases } = object(value, 'a network');
  return { name: text(name, 'the name of a network'), aliases: texts(aliases, 'the aliases of a network') };
}

const LAST_PORT = 65_535;

function parsePort(value: unknown): PortBinding {
  const { protocol, containerPort, hostIp, hostPort, lastHostPort } = object(value, 'a port');
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp')
    throw damaged('the protocol of a port');
  if (!isCount(containerPort, LAST_PORT) || containerPort === 0) throw damaged('the number of a port');
  if (!isCount(hostPort, LAST_PORT)) throw damaged('the number of a port of the host');
  if (lastHostPort !== undefined && !(isCount(lastHostPort, LAST_PORT) && lastHostPort >= hostPort)) {
    throw damaged('the range of a port');
  }
  return {
    ...{ protocol, containerPort, hostPort, hostIp: text(hostIp, 'the address of a port') },
    ...(lastHostPort === undefined ? {} : { lastHostPort }),
  };
}

function parseRestart(value: unknown): RestartPolicy {
  const { name, maximumRetries } = object(value, 'its restart policy');
  switch (name) {
    case 'no':
    case 'always':
    case 'unless-stopped':
      return { name };
    case 'on-failure':
    case 'on-unhealthy':
      if (!isCount(maximumRetries, Number.MAX_SAFE_INTEGER)) throw damaged('its number of restarts');
      return { name, maximumRetries };
    default:
      throw damaged('its restart policy');
  }
}

function parseHealthcheck(value: unknown): Healthcheck {
  const check = object(value, 'its health check');
  const count = (name: 'interval' | 'timeout' | 'startPeriod' | 'startInterval' | 'retries') => {
    const number = check[name];
    if (!isCount(number, Number.MAX_SAFE_INTEGER)) throw damaged(`the ${name} of its health check`);
    return number;
  };
  return {
    test: texts(check.test, 'its health check'),
    ...{ interval: count('interval'), timeout: count('timeout'), retries: count('retries') },
    ...{ startPeriod: count('startPeriod'), startInterval: count('startInterval') },
  };
}

/** -1: for ever. */
function seconds(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= -1) return value;
  throw damaged('its stop timeout');
}

type Fields = Partial<Record<string, unknown>>;

function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw damaged(what);
  return value;
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged(what);
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw damaged(what);
  return value;
}

function texts(value: unknown, what: string): string[] {
  return list(value, what).map((one) => text(one, what));
}

const isCount = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;

const damaged = (what: string) =>
  invalid(`the archive does not say what a machine needs: ${what} is missing or wrong`);
