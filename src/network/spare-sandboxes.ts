import { stat } from 'node:fs/promises';
import { systemErrorCode } from '../base/index.ts';
import type { NamespaceHandle, NamespaceSource } from './contract.ts';
import { IpStream } from './iproute.ts';
import { freshName } from './names.ts';
import { bringUp, makePair } from './veth.ts';

/** A namespace with a veth pair whose outer end is connected to nothing yet. */
export interface Sandbox {
  readonly namespace: NamespaceHandle;
  readonly hostInterface: string;
  readonly containerInterface: string;
  /** Runs commands in the namespace. */
  readonly inside: IpStream;
}

export interface SandboxMaker {
  readonly namespaces: NamespaceSource;
  readonly host: IpStream;
  readonly vethPrefix: string;
}

/** How many sandboxes wait ready. Each holds an idle process of about a megabyte. */
const SPARE = 3;

/**
 * Sandboxes made ahead of time, so that a start only has to plug one in. They are made one after the other, and
 * only while nobody {@link pause pauses} that: a start in progress goes first.
 */
export class SpareSandboxes implements AsyncDisposable {
  readonly #maker: SandboxMaker;
  readonly #signal: AbortSignal | undefined;
  readonly #ready: Sandbox[] = [];
  #filling: Promise<void> | undefined;
  #pauses = 0;
  #isClosed = false;

  /** No more are made once `signal` is aborted. */
  constructor(maker: SandboxMaker, signal?: AbortSignal) {
    this.#maker = maker;
    this.#signal = signal;
  }

  /** A ready sandbox, or undefined when there is none. Those whose launcher was killed have gone with it. */
  async take(): Promise<Sandbox | undefined> {
    for (let sandbox = this.#ready.shift(); sandbox !== undefined; sandbox = this.#ready.shift()) {
      if (await exists(sandbox.namespace.path)) return sandbox;
      await sandbox.inside[Symbol.asyncDispose]();
    }
    return undefined;
  }

  /** Holds making back until the returned function is called. */
  pause(): () => void {
    this.#pauses += 1;
    return () => {
      this.#pauses -= 1;
      this.fill();
    };
  }

  /** Makes what is missing in the background. A failure stops it until the next call: a start then meets the reason itself. */
  fill(): void {
    if (!this.#mayMake()) return;
    this.#filling ??= this.#makeMissing()
      .catch(() => {})
      .finally(() => {
        this.#filling = undefined;
      });
  }

  /** The host's ends of the sandboxes that wait. */
  hostInterfaces(): string[] {
    return this.#ready.map(({ hostInterface }) => hostInterface);
  }

  /** Gives the waiting sandboxes up; their veth pairs go with their namespaces. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#filling;
    const { namespaces } = this.#maker;
    await Promise.allSettled(
      this.#ready.splice(0).map(async ({ namespace, inside }) => {
        await inside[Symbol.asyncDispose]();
        await namespaces.release(namespace);
      }),
    );
  }

  async #makeMissing(): Promise<void> {
    while (this.#ready.length < SPARE && this.#mayMake()) {
      this.#ready.push(await makeSandbox(this.#maker));
    }
  }

  #mayMake(): boolean {
    return !this.#isClosed && this.#pauses === 0 && this.#signal?.aborted !== true;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** A new namespace with one end of a veth pair as eth0. Leaves nothing behind when it fails. */
export async function makeSandbox({ namespaces, host, vethPrefix }: SandboxMaker): Promise<Sandbox> {
  const namespace = await namespaces.create();
  const inside = new IpStream(namespace.path);
  try {
    const hostInterface = freshName(vethPrefix);
    const containerInterface = 'eth0';
    await inside.run(['link set lo up', ...makePair(hostInterface, containerInterface)]);
    await host.run(bringUp(hostInterface));
    return { namespace, hostInterface, containerInterface, inside };
  } catch (error) {
    await inside[Symbol.asyncDispose]();
    await namespaces.release(namespace);
    throw error;
  }
}
