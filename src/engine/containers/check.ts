import { invalid, isBerthError } from '../../base/index.ts';
import {
  checkTmpfsOptions,
  containerCapabilities,
  ociResources,
  parseDeviceRule,
  requireOwnSysctls,
  requireRuntime,
  rlimits,
  seccompFilter,
} from '../../runtime/index.ts';
import { type ContainerConfig, type HostOptions, isMachine, type RestartPolicy } from './container.ts';
import type { ContainerContext } from './context.ts';
import { requestedDevices } from './device-requests.ts';
import { probePlan } from './healthcheck.ts';
import { parseSecurity, seccompOf } from './security.ts';
import { signalNumber } from './stop-signal.ts';
import { refuseMachineOptions } from './vm/check.ts';
import { guestFacts } from './vm/payload.ts';

/**
 * Checks what a new container asks for, so that its creation says what its start would fail with. Returns what this host
 * cannot do of it, one sentence each; throws `invalid` for what no host can, in Docker's words.
 */
export async function checkOptions(
  context: ContainerContext,
  config: ContainerConfig,
  host: HostOptions,
): Promise<string[]> {
  const { hostFacts, runtimes } = context.parts;
  const isVm = isMachine({ host });
  const facts = isVm ? guestFacts(hostFacts) : hostFacts;
  if (!isVm) {
    requireRuntime(runtimes, host.runtime);
    refuseMachineOptions(host);
  }
  if (config.stopSignal !== undefined) signalNumber(config.stopSignal);
  requireHealthcheck(config, host.restart);
  if (Math.abs(host.oomScoreAdj) > 1000) {
    throw invalid(`Invalid value ${host.oomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  containerCapabilities(
    { add: host.capAdd, drop: host.capDrop, privileged: host.privileged },
    facts.capabilities,
  );
  const seccomp = await seccompOf(parseSecurity(host.securityOpt));
  if (seccomp.kind === 'custom') seccompFilter(seccomp, hostFacts);
  // All of a guest's are its own.
  if (!isVm) {
    requireOwnSysctls(host.sysctls, {
      network: host.networkMode === 'host',
      ipc: host.ipcMode === 'host',
      uts: host.utsMode === 'host',
    });
  }
  for (const rule of host.deviceRules ?? []) parseDeviceRule(rule);
  for (const options of tmpfsOptionsOf(host)) checkTmpfsOptions(options.split(','));
  const { warnings: deviceWarnings } = await requestedDevices(context, host);
  for (const mode of [host.pidMode, host.ipcMode, host.utsMode]) requireOther(context, mode);
  return [
    ...ociResources(host.resources, [], hostFacts.cgroups).warnings,
    ...rlimits(host.ulimits, facts).warnings,
    ...deviceWarnings,
    ...(host.networkMode === 'host' && host.ports.length > 0
      ? ['Published ports are discarded when using host network mode']
      : []),
    ...((host.links ?? []).length > 0 ? [LINKS_WARNING] : []),
  ];
}

/** In dockerd's words. */
const LINKS_WARNING =
  'Links on the default bridge network are deprecated and will be removed in a future release. Use a custom network instead.';

/** Throws `invalid` when a policy asks for what nobody checks, or the check is wrong. */
export function requireHealthcheck(config: ContainerConfig, restart: RestartPolicy): void {
  if (probePlan(config) !== undefined || restart.name !== 'on-unhealthy') return;
  throw invalid('invalid restart policy: on-unhealthy needs a health check, and the container has none', {
    hint: 'Give it one, as by --health-cmd',
  });
}

function tmpfsOptionsOf({ mounts, tmpfs }: HostOptions): string[] {
  const requested = mounts.flatMap((mount) => (mount.type === 'tmpfs' ? [mount.options] : []));
  return [...requested, ...Object.values(tmpfs)];
}

/** In a mode like "container:NAME" the other one must be there. */
function requireOther({ collection }: ContainerContext, mode: string): void {
  if (!mode.startsWith('container:')) return;
  try {
    collection.find(mode.slice('container:'.length));
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    throw invalid(error.message, { cause: error }); // the request is wrong, what it asks about is not missing
  }
}
