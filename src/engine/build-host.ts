import { mkdir, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import {
  asBerthError,
  type BerthError,
  canonicalName,
  newContainerId,
  type Reference,
} from '../base/index.ts';
import type { BuildHost, RunStep } from '../build/index.ts';
import { type BridgeNetwork, type Endpoint, type NamespaceHandle, networkFiles } from '../network/index.ts';
import { requireRuntime, type Supervisor } from '../runtime/index.ts';
import type { Image } from '../store/index.ts';
import { stepSpec } from './containers/spec.ts';
import { explainCommandFailure } from './containers/start-failure.ts';
import type { Events } from './events.ts';
import { announceImage } from './images/image-events.ts';
import type { Images } from './images/index.ts';
import { isBridge, type Networks } from './networks.ts';
import type { EngineParts } from './parts.ts';

/** What the builder asks of the engine: base images, and a place to run its steps. */
export function createBuildHost(
  parts: EngineParts,
  services: { events: Events; images: Images; networks: Networks },
): BuildHost {
  return {
    resolveImage: (reference, options) => resolveImage(services.images, reference, options),
    imageMade: (image, news) => announceImage(services.events, image, news),
    runStep: (step) => runStep(parts, services.networks, step),
  };
}

async function resolveImage(
  images: Images,
  reference: Reference,
  options: Parameters<BuildHost['resolveImage']>[1],
): Promise<Image> {
  const local = options.pull ? undefined : await images.lookUp(canonicalName(reference));
  if (local !== undefined) return local;
  return images.pull(reference, {
    platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    signal: options.signal,
    onProgress: options.onProgress,
  });
}

/** A step is a container that nobody sees: own namespaces, the default network, no log, gone at its end. */
async function runStep(parts: EngineParts, networks: Networks, step: RunStep): Promise<number> {
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
      files: await writeFiles(directory, step, connected),
      facts: parts.hostFacts,
    });
    await writeFile(
      `${directory}/config.json`,
      JSON.stringify(await parts.seccomp.apply(spec, requireRuntime(parts.runtimes, undefined))),
      { mode: 0o600 },
    );
    return await runToEnd(supervisor, step).catch(async (error: unknown) => {
      throw await explainStep(parts, step, asBerthError(error));
    });
  } finally {
    await supervisor?.discard().catch(() => {}); // it has ended by itself unless the start failed
    if (connected !== undefined) await disconnectStep(parts, connected);
    await parts.launcher.removeTree(directory);
  }
}

/** A failure of the step's command, with what its file says. */
function explainStep(parts: EngineParts, { args, env, config, root }: RunStep, error: BerthError) {
  const query = {
    program: args[0] ?? '',
    env,
    workingDir: config.WorkingDir ?? '/',
    user: config.User ?? '',
  };
  return explainCommandFailure(error, query, parts.log, async () => ({
    worker: await parts.launcher.openFiles(root),
    mounts: [],
  }));
}

interface StepNetwork {
  readonly namespace: NamespaceHandle | undefined;
  readonly endpoint: Endpoint | undefined;
}

async function connectStep(
  parts: EngineParts,
  networks: Networks,
  step: RunStep,
  id: ReturnType<typeof newContainerId>,
): Promise<StepNetwork> {
  if (step.network === 'host') return { namespace: undefined, endpoint: undefined };
  if (step.network === 'none') return { namespace: await parts.network.createSandbox(), endpoint: undefined };
  return parts.network.connectNew(id, defaultBridge(networks));
}

function defaultBridge(networks: Networks): BridgeNetwork {
  const { network } = networks.find('bridge');
  if (!isBridge(network)) throw new TypeError('the network "bridge" is no bridge');
  return network;
}

async function disconnectStep(parts: EngineParts, { namespace, endpoint }: StepNetwork): Promise<void> {
  if (endpoint !== undefined) await parts.network.disconnect(endpoint);
  if (namespace !== undefined) await parts.launcher.releaseNetworkNamespace(namespace);
}

function launchStep(
  parts: EngineParts,
  step: RunStep,
  id: ReturnType<typeof newContainerId>,
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
      shmSize: 64 * 1024 * 1024,
      runtime: { path: runtime.path, args: runtime.args, root: `${parts.settings.execRoot}/runtime` },
    },
    step.signal,
  );
}

async function writeFiles(directory: string, step: RunStep, { endpoint }: StepNetwork) {
  if (step.network === 'host') return [];
  const { hosts, resolvConf } = await networkFiles({
    hostname: 'buildkitsandbox',
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
  await writeFile(`${directory}/hosts`, hosts, { mode: 0o644 });
  await writeFile(`${directory}/resolv.conf`, resolvConf, { mode: 0o644 });
  return ['hosts', 'resolv.conf'].map((name) => ({ source: `${directory}/${name}`, target: `/etc/${name}` }));
}

async function runToEnd(supervisor: Supervisor, step: RunStep): Promise<number> {
  await using session = await supervisor.attach({ stdin: false, stdout: true, stderr: true });
  await supervisor.run(step.signal);
  const stop = () => void supervisor.signal(constants.signals.SIGKILL).catch(() => {});
  step.signal.addEventListener('abort', stop, { once: true });
  if (step.signal.aborted) stop(); // while it started
  try {
    const decoder = new TextDecoder();
    for await (const { data } of session.output()) step.onOutput(decoder.decode(data, { stream: true }));
    const status = await supervisor.exited;
    step.signal.throwIfAborted();
    return status.kind === 'exited' ? status.code : 255;
  } finally {
    step.signal.removeEventListener('abort', stop);
  }
}
