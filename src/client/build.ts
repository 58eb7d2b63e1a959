import type { Readable } from 'node:stream';
import type { BuildContextOptions } from './build-context.ts';
import { type CredentialSource, registryConfig } from './images.ts';
import { progressMessages } from './streams.ts';
import type { Transport } from './transport.ts';
import type { ContainerLimits, ProgressMessage } from './types/index.ts';

/**
 * A folder as the context of a build: without what its .dockerignore (or `<Dockerfile>.dockerignore`) leaves out, with modes,
 * times and symlinks kept. Throws `not-found` without folder or Dockerfile; later errors destroy the stream.
 */
export async function openBuildContext(folder: string, options: BuildContextOptions): Promise<Readable> {
  const { buildContext } = await import('./build-context.ts');
  return buildContext(folder, options);
}

/** A context that has nothing but a Dockerfile. */
export async function openDockerfileContext(text: string | Uint8Array): Promise<Readable> {
  const { dockerfileContext } = await import('./build-context.ts');
  return dockerfileContext(text);
}

/** A build as POST /build takes it. */
export interface BuildOptions {
  /** The Dockerfile's path inside the context. */
  readonly dockerfile?: string;
  readonly tags?: readonly string[];
  /** An undefined value takes the Dockerfile's default. */
  readonly buildArgs?: Readonly<Record<string, string | undefined>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly noCache?: boolean;
  /** Look for newer base images. */
  readonly pull?: boolean;
  readonly quiet?: boolean;
  readonly platform?: string;
  readonly networkMode?: string;
  readonly extraHosts?: readonly string[];
  readonly cacheFrom?: readonly string[];
  /** Bytes. */
  readonly shmSize?: number;
  /** "vm": each RUN step has a virtual machine of its own. */
  readonly isolation?: string;
  /** What each of them may use, as in {@link ContainerLimits}. */
  readonly limits?: Pick<
    ContainerLimits,
    'Memory' | 'MemorySwap' | 'CpuShares' | 'CpuPeriod' | 'CpuQuota' | 'CpusetCpus' | 'CpusetMems'
  >;
  readonly signal?: AbortSignal;
}

/** The /build part of the API. */
export class Build {
  readonly #transport: Transport;
  readonly #credentials: CredentialSource | undefined;

  constructor(transport: Transport, credentials?: CredentialSource) {
    this.#transport = transport;
    this.#credentials = credentials;
  }

  /**
   * Builds an image from a context (a tar, also compressed), sent while it is read. Yields the output and
   * the result (`aux.ID`); throws what failed.
   */
  async *run(context: Readable, options: BuildOptions = {}): AsyncGenerator<ProgressMessage> {
    const body = await this.#transport.stream({
      method: 'POST',
      path: '/build',
      query: {
        t: options.tags,
        dockerfile: options.dockerfile,
        buildargs: jsonUnlessEmpty(options.buildArgs),
        labels: jsonUnlessEmpty(options.labels),
        target: options.target,
        nocache: options.noCache,
        pull: options.pull === true ? '1' : undefined,
        q: options.quiet,
        platform: options.platform,
        networkmode: options.networkMode,
        extrahosts: options.extraHosts,
        cachefrom: options.cacheFrom === undefined ? undefined : JSON.stringify(options.cacheFrom),
        shmsize: options.shmSize,
        isolation: options.isolation,
        memory: options.limits?.Memory,
        memswap: options.limits?.MemorySwap,
        cpushares: options.limits?.CpuShares,
        cpuperiod: options.limits?.CpuPeriod,
        cpuquota: options.limits?.CpuQuota,
        cpusetcpus: options.limits?.CpusetCpus,
        cpusetmems: options.limits?.CpusetMems,
        rm: true,
        forcerm: true,
        version: '1',
      },
      headers: { 'Content-Type': 'application/x-tar', ...(await registryConfig(this.#credentials)) },
      body: context,
      signal: options.signal,
    });
    yield* progressMessages(body, 'invalid');
  }
}

/** Undefined values become null: the build takes the Dockerfile's default. */
function jsonUnlessEmpty(values: Readonly<Record<string, string | undefined>> = {}): string | undefined {
  if (Object.keys(values).length === 0) return undefined;
  return JSON.stringify(values, (_key, value) => value ?? null);
}
