import { asBerthError, invalid, newContainerId } from '../../base/index.ts';
import type { RunStep, StepEnd } from '../../build/index.ts';
import { controlGroupFolders, type OciSpec } from '../../runtime/index.ts';
import { DEFAULT_DISK_SIZE, type GuestSetup, MACHINE_DISK, setupPayload } from '../../vm/index.ts';
import { stepSpec } from '../containers/spec.ts';
import { wantedResources } from '../containers/vm/allotment.ts';
import type { BriefMachine, BriefMachines } from '../containers/vm/brief-machines.ts';
import { defaultRoutes, interfaceOf } from '../containers/vm/bundle.ts';
import { openDiskFiles } from '../containers/vm/disk-files.ts';
import { execPayload, guestFacts } from '../containers/vm/payload.ts';
import { refuseLimits, requireArchitecture } from '../containers/vm/refuse.ts';
import type { Networks } from '../networks.ts';
import type { EngineParts } from '../parts.ts';
import { sharedMemory, stepResources } from './step-limits.ts';
import { connectStep, disconnectStep, STEP_HOSTNAME, type StepNetwork, stepFiles } from './step-network.ts';
import { explainStep, runToEnd } from './step-process.ts';

interface StepServices {
  readonly networks: Networks;
  readonly briefMachines: BriefMachines;
}

/**
 * A step in a virtual machine of its own: with the layers so far, an empty disk and a card in the default network. What it has
 * written is read from that disk when it has ended well. Throws `invalid` for what a machine cannot have.
 */
export async function runMachineStep(
  parts: EngineParts,
  services: StepServices,
  step: RunStep,
): Promise<StepEnd> {
  if (step.network === 'host') {
    throw invalid('a virtual machine cannot have --network=host: its network card ends in its own kernel', {
      hint: 'Leave it out: the step then has the default network',
    });
  }
  const used = new AsyncDisposableStack();
  try {
    const machine = await startable(parts, services, step, used);
    const exitCode = await runToEnd(machine.supervisor, step, () => machine.noteStart()).catch(
      async (error: unknown) => {
        throw await explainStep(parts, step, asBerthError(error));
      },
    );
    machine.requireRoom('what the step writes');
    if (exitCode === 0) {
      const disk = {
        layers: step.root.layers,
        path: `${machine.directory}/${MACHINE_DISK}`,
        size: DEFAULT_DISK_SIZE,
      };
      const release = () => used.disposeAsync();
      const changes = await openDiskFiles(services.briefMachines, disk, 'changes', {
        signal: step.signal,
        release,
      });
      return { exitCode, changes };
    }
    await used.disposeAsync();
    return { exitCode, changes: undefined };
  } catch (error) {
    await used.disposeAsync();
    throw error;
  }
}

/** The step's machine, ready to run; `used` gets all that must be given back. */
async function startable(
  parts: EngineParts,
  { networks, briefMachines }: StepServices,
  step: RunStep,
  used: AsyncDisposableStack,
): Promise<BriefMachine> {
  const id = newContainerId();
  const network = await connectStep(parts, networks, step, id);
  used.defer(() => disconnectStep(parts, network));
  const { layers } = step.root;
  const architecture = requireArchitecture('of this build', step.architecture, parts.machines.architectures);
  refuseLimits(step.limits);
  const resources = stepResources(step, parts.hostFacts);
  const wanted = wantedResources({ resources: { nanoCpus: 0, ...step.limits } });
  const { namespace } = network;
  const machine = used.use(
    await briefMachines.open(
      { id, layers, architecture, wanted, network: namespace, openStdin: false },
      step.signal,
    ),
  );
  const facts = guestFacts(parts.hostFacts);
  const { supervisor, directory } = machine;
  const { networkPath: namespacePath, accounts } = supervisor;
  const { instance } = parts.settings;
  const spec = stepSpec(step, {
    ...{ id, instance, directory, namespacePath, accounts, facts },
    ...{ files: [], resources: {} }, // a guest has them by what it is made of
  });
  await machine.prepare(
    {
      disk: { size: DEFAULT_DISK_SIZE },
      ...(namespacePath === undefined || network.endpoint === undefined
        ? {}
        : { network: { namespace: namespacePath, interfaces: [network.endpoint.containerInterface] } }),
      controlGroups: await controlGroupFolders(
        spec.linux.cgroupsPath,
        resources.cpu === undefined ? {} : { cpu: resources.cpu },
        parts.hostFacts.cgroups,
      ),
      setup: setupPayload(await setupOf(networks, step, network, spec)),
      process: execPayload(spec.process, false),
    },
    step.signal,
  );
  return machine;
}

async function setupOf(
  networks: Networks,
  step: RunStep,
  network: StepNetwork,
  { linux }: OciSpec,
): Promise<GuestSetup> {
  const endpoints = network.endpoint === undefined ? [] : [network.endpoint];
  const files = await stepFiles(network);
  return {
    hostname: STEP_HOSTNAME,
    domainname: '',
    layers: step.root.layers.length,
    hasDisk: true,
    readOnlyRoot: false,
    interfaces: endpoints.map((endpoint) => interfaceOf({ networks }, endpoint)),
    routes: defaultRoutes(endpoints),
    files: files.map(({ name, text }) => ({ path: `/etc/${name}`, content: Buffer.from(text) })),
    mounts: [],
    sysctls: linux.sysctl ?? {},
    shmSize: sharedMemory(step),
    maskedPaths: linux.maskedPaths,
    readonlyPaths: linux.readonlyPaths,
    nameService: false,
    pidsLimit: 0,
  };
}
