import { mkdir, writeFile } from 'node:fs/promises';
import { asBerthError, type ContainerId, newContainerId } from '../../base/index.ts';
import type { RunStep, StepEnd } from '../../build/index.ts';
import { requireRuntime, type Supervisor } from '../../runtime/index.ts';
import { stepSpec } from '../containers/spec.ts';
import type { Networks } from '../networks.ts';
import type { EngineParts } from '../parts.ts';
import { sharedMemory, stepResources } from './step-limits.ts';
import { connectStep, disconnectStep, type StepNetwork, writeStepFiles } from './step-network.ts';
import { explainStep, runToEnd } from './step-process.ts';

/** A step is a container that nobody sees: own namespaces, the default network, no log, gone at its end. */
export async function runContainerStep(
  parts: EngineParts,
  networks: Networks,
  step: RunStep,
): Promise<StepEnd> {
  stepResources(step, parts.hostFacts); // says what cannot be limited
  const id = newContainerId();
  const directory = `${parts.settings.dataRoot}/build/steps/${id}`;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  let connected: StepNetwork | undefined;
  let supervisor: Supervisor | undefined;
  try {
    connected = await connectStep(parts, networks, step, id);
    supervisor = await launchStep(parts, step, id, directory, connected);
    const spec = stepSpec(step, {
      id,
      instance: parts.settings.instance,
      directory,
      namespacePath: supervisor.networkPath,
      accounts: supervisor.accounts,
      files: await writeStepFiles(directory, step, connected),
      facts: parts.hostFacts,
      resources: step.limits,
    });
    await writeFile(
      `${directory}/config.json`,
      JSON.stringify(await parts.seccomp.apply(spec, requireRuntime(parts.runtimes, undefined))),
      { mode: 0o600 },
    );
    const exitCode = await runToEnd(supervisor, step).catch(async (error: unknown) => {
      throw await explainStep(parts, step, asBerthError(error));
    });
    return { exitCode, changes: undefined };
  } finally {
    await supervisor?.discard().catch(() => {}); // it has ended by itself unless the start failed
    if (connected !== undefined) await disconnectStep(parts, connected);
    await parts.launcher.removeTree(directory);
  }
}

function launchStep(
  parts: EngineParts,
  step: RunStep,
  id: ContainerId,
  directory: string,
  { namespace }: StepNetwork,
): Promise<Supervisor> {
  const runtime = requireRuntime(parts.runtimes, undefined);
  return parts.launcher.launch(
    {
      id,
      directory,
      root: step.root,
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      network: namespace,
      ports: [],
      log: { driver: 'none', path: `${directory}/log`, maxSize: 0, maxFiles: 0 },
      shmSize: sharedMemory(step),
      runtime: { path: runtime.path, args: runtime.args, root: `${parts.settings.execRoot}/runtime` },
    },
    step.signal,
  );
}
