import { stat } from 'node:fs/promises';
import { invalid, notFound, systemErrorCode } from '../../base/index.ts';
import type { DeviceCounts } from '../../vm/index.ts';
import { hardwareOf, machineOf } from '../containers/computer/bundle.ts';
import type { ContainerConfig, HostOptions, RestartPolicy } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import { probePlan } from '../containers/healthcheck.ts';
import { checkNames } from '../containers/network-changes.ts';
import { wantedResources } from '../containers/vm/allotment.ts';
import { isLinked } from '../networks.ts';
import type { NewMachine } from './new-machine.ts';

/** A machine that starts from nothing needs something to install a system from. Throws `invalid`. */
export function checkSource({ source, iso }: NewMachine): void {
  if (source.kind !== 'empty' || iso !== undefined) return;
  throw invalid('a machine needs a system: a disk image, Debian, or an installer', {
    hint: 'Say --from debian, --from FILE, --from URL#sha256=…, or --iso FILE',
  });
}

/** Throws `not-found` and `invalid` for networks that a machine cannot be on. */
export function checkPlaces(context: ContainerContext, { networks, ports }: NewMachine): void {
  for (const attachment of networks) {
    checkNames(attachment);
    const { network } = context.networks.find(attachment.network);
    if (isLinked(network)) continue;
    throw invalid(`a machine cannot be on the network ${network.name}: it has network cards of its own`, {
      hint: 'Choose a bridge or macvlan network, or --network none for no card at all',
    });
  }
  if (networks.length === 0 && ports.length > 0) {
    throw invalid('ports of a machine without a network cannot be published');
  }
}

/** Nothing of berth's is inside, so its health is asked by the network. Throws `invalid`. */
export function requireHealthcheck(config: ContainerConfig, restart: RestartPolicy): void {
  const plan = probePlan(config);
  if (plan?.probe.kind === 'command') {
    throw invalid('the health of a machine is checked over its network, not by a command', {
      hint: 'Write a URL: tcp://:5432, http://:8080/health or ssh://',
    });
  }
  if (plan === undefined && restart.name === 'on-unhealthy') {
    throw invalid('the restart policy on-unhealthy needs a health check, and the machine has none', {
      hint: 'Give it one with --health',
    });
  }
}

/**
 * Checks hardware as the options describe it. Throws `invalid` with the numbers for more than this host has and for what does
 * not go together, `unavailable` for a part that is not installed.
 */
export async function checkHardware(
  { parts }: ContainerContext,
  host: HostOptions,
  { disks, cards }: Pick<DeviceCounts, 'disks' | 'cards'>,
): Promise<void> {
  const machine = machineOf({ host });
  const { iso, firstBoot } = machine;
  if (iso !== undefined) await requireMedium(iso);
  const allotment = parts.machines.allot(wantedResources(host), []);
  const media = [iso, firstBoot].filter((medium) => medium !== undefined).length;
  await parts.computers.check(hardwareOf(machine, allotment), { disks, media, cards });
}

async function requireMedium(path: string): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    if (systemErrorCode(cause) !== 'ENOENT') throw cause;
    throw notFound(`the medium ${path} does not exist`, { cause });
  });
  if (!found.isFile()) throw invalid(`the medium ${path} is no regular file`);
}
