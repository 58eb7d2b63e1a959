import { writeFile } from 'node:fs/promises';
import type { ContainerId } from '../../base/index.ts';
import type { RunStep } from '../../build/index.ts';
import {
  type BridgeNetwork,
  type Endpoint,
  type NamespaceHandle,
  networkFiles,
} from '../../network/index.ts';
import { isBridge, type Networks } from '../networks.ts';
import type { EngineParts } from '../parts.ts';

/** What a step has of the network; both undefined: the host's. */
export interface StepNetwork {
  readonly namespace: NamespaceHandle | undefined;
  readonly endpoint: Endpoint | undefined;
}

/** Gives a step the network that it asks for. */
export async function connectStep(
  parts: EngineParts,
  networks: Networks,
  step: RunStep,
  id: ContainerId,
): Promise<StepNetwork> {
  if (step.network === 'host') return { namespace: undefined, endpoint: undefined };
  if (step.network === 'none') return { namespace: await parts.network.createSandbox(), endpoint: undefined };
  return parts.network.connectNew(id, defaultBridge(networks));
}

/** The network that steps have unless they ask for another one. */
export function defaultBridge(networks: Networks): BridgeNetwork {
  const { network } = networks.find('bridge');
  if (!isBridge(network)) throw new TypeError('the network "bridge" is no bridge');
  return network;
}

export async function disconnectStep(
  parts: EngineParts,
  { namespace, endpoint }: StepNetwork,
): Promise<void> {
  if (endpoint !== undefined) await parts.network.disconnect(endpoint);
  if (namespace !== undefined) await parts.launcher.releaseNetworkNamespace(namespace);
}

/** The files that tell a step's programs of its network. */
export async function stepFiles({
  endpoint,
}: StepNetwork): Promise<readonly { readonly name: string; readonly text: string }[]> {
  const { hosts, resolvConf } = await networkFiles({
    hostname: STEP_HOSTNAME,
    domainname: '',
    endpoints: endpoint === undefined ? [] : [endpoint],
    extraHosts: [],
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    namesServed: false,
    sharesHost: false,
    links: [],
  });
  return [
    { name: 'hosts', text: hosts },
    { name: 'resolv.conf', text: resolvConf },
  ];
}

/** BuildKit's. */
export const STEP_HOSTNAME = 'buildkitsandbox';

/** Writes them into the step's folder; those of the host are mounted by its runtime. */
export async function writeStepFiles(directory: string, step: RunStep, network: StepNetwork) {
  if (step.network === 'host') return [];
  const files = await stepFiles(network);
  await Promise.all(files.map(({ name, text }) => writeFile(`${directory}/${name}`, text, { mode: 0o644 })));
  return files.map(({ name }) => ({ source: `${directory}/${name}`, target: `/etc/${name}` }));
}
