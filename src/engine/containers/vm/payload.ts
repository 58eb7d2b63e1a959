import { ALL_CAPABILITIES, capabilityMask, type HostFacts, type OciProcess } from '../../../runtime/index.ts';
import { startPayload } from '../../../vm/index.ts';
import type { ContainerRecord } from '../container.ts';
import { STOP_MODE_LABEL, signalNumber } from '../stop-signal.ts';

/** What a guest's processes may be given: all that its own kernel has, whatever this host allows berth. */
export function guestFacts(facts: HostFacts): HostFacts {
  return { ...facts, capabilities: ALL_CAPABILITIES, hardLimits: {}, thermalFolders: [] };
}

/** A further process of a guest. */
export function execPayload(process: OciProcess, stdin: boolean, probe = false): Buffer {
  const capabilities = capabilityMask(process.capabilities.bounding);
  return startPayload(process, { capabilities, stdin, probe });
}

/** The machine's own process. */
export function mainPayload({ config, host }: ContainerRecord, process: OciProcess): Buffer {
  return startPayload(process, {
    capabilities: capabilityMask(process.capabilities.bounding),
    stdin: config.openStdin,
    init: host.init === true,
    ...(config.labels[STOP_MODE_LABEL] === 'pid1'
      ? {}
      : { stopSignal: signalNumber(config.stopSignal ?? 'SIGTERM') }),
  });
}
