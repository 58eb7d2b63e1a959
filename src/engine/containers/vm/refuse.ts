import { stat } from 'node:fs/promises';
import { type BerthError, invalid, systemErrorCode } from '../../../base/index.ts';
import { type ArchitectureName, isArchitectureName } from '../../../vm/index.ts';
import type { ContainerMount, HostOptions, ResourceLimits } from '../container.ts';

/** Something that a container can be asked for and a virtual machine cannot, and why. */
interface Refusal {
  readonly isAsked: boolean;
  readonly what: string;
  readonly why: string;
  readonly hint: string;
}

const OWN_KERNEL = 'it has a kernel of its own, in which there is nothing of the host';

/** Throws `invalid` naming the first option that a virtual machine cannot have, with the reason. */
export function refuseContainerOptions(host: HostOptions): void {
  refuseFirst([
    ...namespaceRefusals(host),
    ...deviceRefusals(host),
    ...limitRefusals(host.resources),
    ...otherRefusals(host),
  ]);
}

/** The same of limits alone. */
export function refuseLimits(limits: Pick<ResourceLimits, 'memory' | 'memorySwap'>): void {
  refuseFirst(limitRefusals(limits));
}

function refuseFirst(refusals: readonly Refusal[]): void {
  const refusal = refusals.find(({ isAsked }) => isAsked);
  if (refusal === undefined) return;
  throw invalid(`a virtual machine cannot have ${refusal.what}: ${refusal.why}`, { hint: refusal.hint });
}

function namespaceRefusals(host: HostOptions): Refusal[] {
  const leaveOut = 'Leave it out, or leave out --isolation vm to run a container';
  const shared = (option: string, mode: string): Refusal => ({
    isAsked: mode === 'host' || mode.startsWith('container:'),
    what: `--${option} ${mode}`,
    why: OWN_KERNEL,
    hint: leaveOut,
  });
  return [
    shared('pid', host.pidMode),
    { ...shared('ipc', host.ipcMode), isAsked: !['', 'private', 'none'].includes(host.ipcMode) },
    shared('uts', host.utsMode),
    shared('cgroupns', host.cgroupnsMode ?? ''),
    {
      ...shared('network', host.networkMode),
      why: 'its network card ends in its own kernel',
      hint: 'Connect it to a bridge network, publish ports with -p, or use --network none',
    },
  ];
}

function deviceRefusals({
  privileged,
  devices,
  deviceRules = [],
  deviceRequests = [],
}: HostOptions): Refusal[] {
  const hint = 'Devices can be given to containers: leave out --isolation vm';
  const why = "the host's devices belong to the host's kernel";
  return [
    {
      isAsked: privileged,
      what: '--privileged',
      why: `${OWN_KERNEL} that it could be given`,
      hint: 'In its own kernel --cap-add ALL is enough for what needs privileges, and reaches nothing outside',
    },
    { isAsked: devices.length > 0, what: `--device ${devices[0]?.host ?? ''}`, why, hint },
    { isAsked: deviceRequests.length > 0, what: '--gpus or another device of a driver', why, hint },
    { isAsked: deviceRules.length > 0, what: '--device-cgroup-rule', why, hint },
  ];
}

function limitRefusals({
  memory,
  memorySwap,
  memoryReservation = 0,
  memorySwappiness,
  oomKillDisable = false,
}: Pick<ResourceLimits, 'memory' | 'memorySwap'> & Partial<ResourceLimits>): Refusal[] {
  return [
    {
      isAsked: memorySwap !== 0 && memorySwap !== memory && memorySwap !== 2 * memory,
      what: '--memory-swap',
      why: 'its kernel has no swap space',
      hint: 'Give it more memory with -m',
    },
    {
      isAsked: memoryReservation > 0,
      what: '--memory-reservation',
      why: 'what it does not use goes back to the host by itself',
      hint: 'Give it its most memory with -m',
    },
    {
      isAsked: memorySwappiness !== undefined,
      what: '--memory-swappiness',
      why: 'its kernel has no swap space',
      hint: 'Leave it out',
    },
    {
      isAsked: oomKillDisable,
      what: '--oom-kill-disable',
      why: 'its kernel would stand still for ever',
      hint: 'Give it more memory with -m',
    },
  ];
}

function otherRefusals({ securityOpt, oomScoreAdj }: HostOptions): Refusal[] {
  const seccomp = securityOpt.find(
    (option) => /^seccomp[=:]/.test(option) && !/[=:](builtin|unconfined)$/.test(option),
  );
  return [
    {
      isAsked: oomScoreAdj !== 0,
      what: '--oom-score-adj',
      why: "it is about the host's choice among its processes, and a machine's are not among them",
      hint: 'Leave it out',
    },
    {
      isAsked: seccomp !== undefined,
      what: 'a seccomp profile',
      why: 'a profile guards the kernel that containers share, and it shares none',
      hint: 'Leave out --security-opt seccomp, or run a container',
    },
  ];
}

/**
 * Throws `invalid` for a mount that another kernel cannot have: of a socket, a pipe or a device, or one that passes on
 * what is mounted later.
 */
export async function refuseUnsharable(mounts: readonly ContainerMount[]): Promise<void> {
  for (const mount of mounts) {
    if (mount.type !== 'bind') continue;
    const reason = propagationRefusal(mount) ?? (await kindRefusal(mount.source));
    if (reason !== undefined) throw reason;
  }
}

function propagationRefusal({ source, propagation, submounts }: Extract<ContainerMount, { type: 'bind' }>) {
  if (propagation !== '' && propagation !== 'rprivate' && propagation !== 'private') {
    return invalid(`${source} cannot be mounted ${propagation} in a virtual machine`, {
      hint: 'What is mounted later on one side does not appear on the other: leave the propagation out',
    });
  }
  if (submounts !== 'none' && submounts !== 'writable') return undefined;
  return invalid(
    `${source} cannot be mounted without, or with writable, mounts below it in a virtual machine`,
    {
      hint: 'A share is of a whole tree: leave the option out',
    },
  );
}

async function kindRefusal(source: string): Promise<BerthError | undefined> {
  const stats = await stat(source).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined; // the mount itself tells
    throw error;
  });
  if (stats === undefined || stats.isFile() || stats.isDirectory()) return undefined;
  const kind = stats.isSocket() ? 'socket' : stats.isFIFO() ? 'named pipe' : 'device';
  return invalid(`the ${kind} ${source} cannot be shared with a virtual machine`, {
    hint:
      kind === 'device'
        ? "The host's devices belong to the host's kernel"
        : `A ${kind} joins processes of one kernel; use the network, or run a container`,
  });
}

/** What an image's programs run on; one that does not say it is for this host. Throws `invalid` for one that no machine here has. */
export function requireArchitecture(
  image: string,
  architecture: string,
  possible: readonly ArchitectureName[],
): ArchitectureName {
  const [own] = possible;
  if (architecture === '' && own !== undefined) return own;
  if (isArchitectureName(architecture) && possible.includes(architecture)) return architecture;
  throw invalid(
    `the image ${image} is for ${architecture}, and virtual machines here are ${possible.join(' or ')}`,
    {
      hint: `Pull it with --platform ${possible.map((name) => `linux/${name}`).join(' or ')}`,
    },
  );
}
