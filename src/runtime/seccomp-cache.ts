import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, digestOf, writeFileAtomic } from '../base/index.ts';
import type { OciRuntime } from './oci-runtimes.ts';
import type { OciSpec } from './oci-types.ts';

/** crun's annotation for a compiled filter, in base64; it then does not compile one (crun.1, "run.oci.seccomp_bpf_data"). */
export const SECCOMP_ANNOTATION = 'run.oci.seccomp_bpf_data';

/** One BPF instruction (struct sock_filter) has 8 bytes; the kernel takes at most 4096 of them. */
const INSTRUCTION = 8;
const MAX_FILTER = 4096 * INSTRUCTION;

/**
 * Keeps the seccomp filters that crun has compiled, so that it compiles each only once: about 10 ms less for a start. The
 * filter itself stays in the spec, so a runtime that ignores the annotation still applies it.
 */
export class SeccompCache {
  readonly #directory: string;
  readonly #hostKey: string;
  /** Base64 by key; undefined: known to be missing. */
  readonly #filters = new Map<string, string | undefined>();

  /** `directory` holds the compiled filters and is made when needed; nobody but root may write to it. */
  constructor(directory: string, host: { readonly kernel: string; readonly architecture: string }) {
    this.#directory = directory;
    this.#hostKey = `${host.kernel} ${host.architecture}`;
  }

  /** The spec with the compiled filter where there is one already; otherwise, and for other runtimes, the spec as it is. */
  async apply(spec: OciSpec, runtime: OciRuntime): Promise<OciSpec> {
    const key = this.#keyOf(spec, runtime);
    if (key === undefined) return spec;
    const filter = await this.#find(key);
    if (filter === undefined) return spec;
    return { ...spec, annotations: { ...spec.annotations, [SECCOMP_ANNOTATION]: filter } };
  }

  /**
   * Takes over what crun compiled for a container that has started: `stateDirectory` is the container's folder below
   * crun's `--root`. Nothing happens when the filter is known, or the container has gone already.
   */
  async learn(spec: OciSpec, runtime: OciRuntime, stateDirectory: string): Promise<void> {
    const key = this.#keyOf(spec, runtime);
    if (key === undefined || (await this.#find(key)) !== undefined) return;
    const filter = await readFilter(join(stateDirectory, 'seccomp.bpf'));
    if (filter === undefined) return;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#pathOf(key), filter);
    this.#filters.set(key, filter.toString('base64'));
  }

  async #find(key: string): Promise<string | undefined> {
    if (!this.#filters.has(key)) {
      const filter = await readFilter(this.#pathOf(key));
      this.#filters.set(key, filter?.toString('base64'));
    }
    return this.#filters.get(key);
  }

  /** Profile, capabilities and architecture are resolved in the filter; a newer libseccomp knows more system calls. */
  #keyOf(spec: OciSpec, runtime: OciRuntime): string | undefined {
    const { seccomp } = spec.linux;
    if (runtime.name !== 'crun' || seccomp === undefined || seccomp.listenerPath !== undefined)
      return undefined;
    return digestHex(digestOf(`${runtime.version} ${this.#hostKey} ${JSON.stringify(seccomp)}`));
  }

  #pathOf(key: string): string {
    return join(this.#directory, `${key}.bpf`);
  }
}

async function readFilter(path: string): Promise<Buffer | undefined> {
  const filter = await readFile(path).catch(() => undefined);
  if (filter === undefined || filter.length === 0) return undefined;
  return filter.length % INSTRUCTION === 0 && filter.length <= MAX_FILTER ? filter : undefined;
}
