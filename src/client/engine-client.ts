import { Build } from './build.ts';
import { ContainerFiles } from './container-files.ts';
import { Containers } from './containers.ts';
import { Exec } from './exec.ts';
import { type HostAddress, parseHost } from './host.ts';
import { type CredentialSource, Images } from './images.ts';
import { Machines } from './machines.ts';
import { Networks } from './networks.ts';
import type { RequestTrace } from './request-trace.ts';
import { System } from './system.ts';
import { Transport } from './transport.ts';
import { Volumes } from './volumes.ts';

export interface EngineClientOptions {
  /** Where the engine listens: `unix:///run/berth/berth.sock`, `tcp://host:2375`, or parsed. */
  readonly host: string | HostAddress;
  /** Fixes the API version, for example "1.43"; else the newest that both sides speak. */
  readonly apiVersion?: string;
  /** What logs in at the registries that pulls, pushes and builds need. */
  readonly credentials?: CredentialSource;
  /** Told of each request that was answered, with the engine's own steps in it where it tells them. */
  readonly onRequest?: ((request: RequestTrace) => void) | undefined;
}

/**
 * A client of one engine that serves the Docker Engine API. Every method throws a BerthError: the engine's own message,
 * a kind from its status; `unavailable` or `denied` when it cannot be reached. Connects when first used.
 */
export class EngineClient {
  readonly host: HostAddress;
  readonly containers: Containers;
  readonly files: ContainerFiles;
  readonly exec: Exec;
  readonly images: Images;
  readonly machines: Machines;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly system: System;
  readonly build: Build;
  readonly #transport: Transport;

  constructor(options: EngineClientOptions) {
    this.host = typeof options.host === 'string' ? parseHost(options.host) : options.host;
    const transport = new Transport(this.host, options.apiVersion, options.onRequest);
    this.#transport = transport;
    this.containers = new Containers(transport);
    this.files = new ContainerFiles(transport);
    this.exec = new Exec(transport);
    this.images = new Images(transport, options.credentials);
    this.machines = new Machines(transport);
    this.networks = new Networks(transport);
    this.volumes = new Volumes(transport);
    this.system = new System(transport);
    this.build = new Build(transport, options.credentials);
  }

  /** Closes the idle connections; requests that run go on. */
  [Symbol.dispose](): void {
    this.#transport.close();
  }
}
