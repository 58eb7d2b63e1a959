import { invalid } from '../base/index.ts';
import type { ContainerChange, DeviceLimit, ResourceLimits, RestartPolicy } from '../engine/index.ts';
import type { Fields } from './fields.ts';
import { parsePorts, parseSelections } from './port-bindings.ts';
import { refuseRealTime } from './refused-options.ts';

/** The limits in a HostConfig. Without a limit of its own, swap is as much as memory (Docker's rule). */
export function parseResources(host: Fields): ResourceLimits {
  const limits = readLimits(host);
  return {
    ...limits,
    memorySwap: limits.memorySwap === 0 && limits.memory > 0 ? limits.memory * 2 : limits.memorySwap,
    pidsLimit: Math.max(limits.pidsLimit, 0),
    memorySwappiness: swappiness(host),
    oomKillDisable: host.flag('OomKillDisable'),
    deviceLimits: parseDeviceLimits(host),
  };
}

/** -1 is "as the kernel likes". */
function swappiness(host: Fields): number | undefined {
  const value = host.number('MemorySwappiness', -1);
  return value === -1 ? undefined : value;
}

/** Members of HostConfig, the member of their elements that has the value, and its kind. */
const DEVICE_LIMITS = [
  ['BlkioWeightDevice', 'Weight', 'weight'],
  ['BlkioDeviceReadBps', 'Rate', 'read-bps'],
  ['BlkioDeviceWriteBps', 'Rate', 'write-bps'],
  ['BlkioDeviceReadIOps', 'Rate', 'read-iops'],
  ['BlkioDeviceWriteIOps', 'Rate', 'write-iops'],
] as const;

function parseDeviceLimits(host: Fields): DeviceLimit[] {
  return DEVICE_LIMITS.flatMap(([member, valueName, kind]) =>
    host.objects(member).map((limit) => ({
      kind,
      path: limit.text('Path'),
      value: limit.number(valueName),
    })),
  );
}

/** The body of POST /containers/{id}/update; PublishAdd and PublishRemove are berth's own. A limit of processes of 0 or less takes the limit away. */
export function parseContainerChange(body: Fields): ContainerChange {
  refuseRealTime(body, '');
  const limits = readLimits(body);
  const policy = body.object('RestartPolicy');
  const isUnlimited = body.has('PidsLimit') && limits.pidsLimit <= 0;
  return {
    resources: { ...limits, pidsLimit: isUnlimited ? -1 : limits.pidsLimit },
    restart: policy.text('Name') === '' ? undefined : parseRestart(policy),
    ports: {
      add: parsePorts(body.object('PublishAdd')),
      remove: parseSelections(body.object('PublishRemove')),
    },
  };
}

function readLimits(fields: Fields): ResourceLimits {
  return {
    memory: fields.number('Memory'),
    memorySwap: fields.number('MemorySwap'),
    memoryReservation: fields.number('MemoryReservation'),
    nanoCpus: fields.number('NanoCpus'),
    cpuShares: fields.number('CpuShares'),
    cpuPeriod: fields.number('CpuPeriod'),
    cpuQuota: fields.number('CpuQuota'),
    cpusetCpus: fields.text('CpusetCpus'),
    cpusetMems: fields.text('CpusetMems'),
    pidsLimit: fields.number('PidsLimit'),
    blkioWeight: fields.number('BlkioWeight'),
  };
}

/** A restart policy; throws `invalid` for one that there is not, in Docker's words. */
export function parseRestart(policy: Fields): RestartPolicy {
  const name = policy.text('Name') || 'no';
  const maximumRetries = policy.number('MaximumRetryCount');
  switch (name) {
    case 'no':
    case 'always':
    case 'unless-stopped':
      if (maximumRetries > 0) {
        throw invalid(`invalid restart policy: maximum retry count can only be used with 'on-failure'`);
      }
      return { name };
    case 'on-failure':
    case 'on-unhealthy': // an extension
      if (maximumRetries < 0) throw invalid('invalid restart policy: maximum retry count cannot be negative');
      return { name, maximumRetries };
    default:
      throw invalid(
        `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
      );
  }
}
