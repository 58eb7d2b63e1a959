import { type ContainerId, conflict, type NetworkId, shortId } from '../base/index.ts';
import type { BridgeNetwork, DirectPort, Endpoint, PublishedPort } from './contract.ts';
import {
  directElement,
  type Element,
  elementCommands,
  networkElements,
  portElements,
  tableScript,
} from './firewall-table.ts';
import { Nftables } from './nftables.ts';
import { TableWatch } from './table-watch.ts';

/**
 * Keeps the kernel's table of one instance equal to what was asked for. Where the table is gone, as after `nft flush ruleset`,
 * or a change finds a part of it gone, the whole table is put back in one transaction.
 */
export class Firewall implements AsyncDisposable {
  readonly #table: string;
  readonly #nftables = new Nftables();
  readonly #networks = new Map<NetworkId, BridgeNetwork>();
  readonly #published = new Map<ContainerId, readonly PublishedPort[]>();
  #watch: TableWatch | undefined;
  /** By the name of the host's interface. */
  readonly #direct = new Map<string, readonly DirectPort[]>();

  constructor(table: string) {
    this.#table = table;
  }

  /** Forgets what it knew, and replaces whatever the kernel holds. */
  async restore(
    networks: readonly BridgeNetwork[],
    published: readonly { containerId: ContainerId; ports: readonly PublishedPort[] }[],
    endpoints: readonly Endpoint[] = [],
  ): Promise<void> {
    this.#networks.clear();
    for (const network of networks) this.#networks.set(network.id, network);
    this.#published.clear();
    for (const { containerId, ports } of published) this.#published.set(containerId, ports);
    this.#direct.clear();
    for (const { hostInterface, directPorts = [] } of endpoints) this.#direct.set(hostInterface, directPorts);
    await this.#load();
    this.#watch ??= new TableWatch(this.#table, () => this.#load());
  }

  async addNetwork(network: BridgeNetwork): Promise<void> {
    this.#networks.set(network.id, network);
    try {
      await this.#change('add', networkElements(network));
    } catch (error) {
      this.#networks.delete(network.id);
      throw error;
    }
  }

  async removeNetwork(network: BridgeNetwork): Promise<void> {
    if (this.#networks.delete(network.id)) await this.#change('delete', networkElements(network));
  }

  /** Adds ports of a container. Throws `conflict` when another container has one of them. */
  async publish(containerId: ContainerId, ports: readonly PublishedPort[]): Promise<void> {
    for (const port of ports) this.#checkFree(containerId, port);
    const before = this.#published.get(containerId) ?? [];
    this.#published.set(containerId, [...before, ...ports]);
    try {
      await this.#change('add', ports.flatMap(portElements));
    } catch (error) {
      this.#published.set(containerId, before);
      throw error;
    }
  }

  /** Removes some ports of a container, all where none are given; what is not published is fine. */
  async unpublish(containerId: ContainerId, ports?: readonly PublishedPort[]): Promise<void> {
    const published = this.#published.get(containerId) ?? [];
    const keys = ports?.map(keyOf);
    const isMeant = (port: PublishedPort) => keys?.includes(keyOf(port)) ?? true;
    const left = published.filter((port) => !isMeant(port));
    if (left.length === 0) this.#published.delete(containerId);
    else this.#published.set(containerId, left);
    await this.#change('delete', published.filter(isMeant).flatMap(portElements));
  }

  /** Lets others in to what an endpoint's network leads to directly. */
  async open({ hostInterface, directPorts = [] }: Endpoint): Promise<void> {
    if (directPorts.length === 0) return;
    this.#direct.set(hostInterface, directPorts);
    await this.#change('add', directPorts.map(directElement));
  }

  /** Undoes {@link open}; what is not open is fine. */
  async close({ hostInterface }: Endpoint): Promise<void> {
    const ports = this.#direct.get(hostInterface) ?? [];
    this.#direct.delete(hostInterface);
    await this.#change('delete', ports.map(directElement));
  }

  /** Removes the table; removing it twice is fine. */
  async remove(): Promise<void> {
    await this.#unwatch();
    this.#networks.clear();
    this.#published.clear();
    this.#direct.clear();
    await this.#nftables.load(`table inet ${this.#table}\ndelete table inet ${this.#table}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unwatch();
    await this.#nftables[Symbol.asyncDispose]();
  }

  async #unwatch(): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    this.#watch = undefined;
  }

  async #change(verb: 'add' | 'delete', elements: readonly Element[]): Promise<void> {
    const result = await this.#nftables.change(elementCommands(this.#table, verb, elements));
    if (result === 'missing') await this.#load();
  }

  #load(): Promise<void> {
    const ports = [...this.#published.values()].flat();
    return this.#nftables.load(
      tableScript(this.#table, this.#networks.values(), ports, [...this.#direct.values()].flat()),
    );
  }

  #checkFree(containerId: ContainerId, wanted: PublishedPort): void {
    const { protocol, hostIp, hostPort } = wanted;
    for (const [holder, ports] of this.#published) {
      if (holder === containerId) continue;
      if (ports.some((port) => overlap(port, wanted))) {
        throw conflict(
          `${hostIp}:${hostPort}/${protocol} is published by container ${shortId(holder)} already`,
        );
      }
    }
  }
}

/** An address and every address of its family are in each other's way, as for sockets. */
function overlap(one: PublishedPort, other: PublishedPort): boolean {
  const isAny = ({ hostIp }: PublishedPort) => hostIp === '0.0.0.0' || hostIp === '::';
  return (
    one.protocol === other.protocol &&
    one.hostPort === other.hostPort &&
    one.hostIp.includes(':') === other.hostIp.includes(':') &&
    (one.hostIp === other.hostIp || isAny(one) || isAny(other))
  );
}

/** What only one container of a host can have. */
const keyOf = ({ protocol, hostIp, hostPort }: PublishedPort) => `${protocol} ${hostIp} ${hostPort}`;
