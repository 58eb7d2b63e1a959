import {
  type ContainerId,
  conflict,
  denied,
  invalid,
  type NetworkId,
  newNetworkId,
  notFound,
  notImplemented,
} from '../base/index.ts';
import type {
  AddressRange,
  BridgeNetwork,
  Endpoint,
  LinkedNetwork,
  Network,
  NetworkDriver,
} from '../network/index.ts';
import type { DocumentStore } from '../store/index.ts';
import { bridgeOptions } from './bridge-options.ts';
import type { Events } from './events.ts';
import { macvlanOptions } from './macvlan-options.ts';

const COLLECTION = 'networks';

/** A network as it is stored (Engine API, Network). */
export interface NetworkRecord {
  readonly network: Network;
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Of no effect; clients show it. */
  readonly attachable?: boolean;
  /** "bridge", "host" and "none", which are always there. */
  readonly predefined: boolean;
}

export interface NewNetwork {
  readonly name: string;
  readonly driver: string;
  readonly internal: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly attachable: boolean;
  readonly ipv4: Partial<AddressRange>;
  /** undefined: the network has no IPv6. */
  readonly ipv6: Partial<AddressRange> | undefined;
}

/** The networks of the instance: records here, bridges and rules in the network driver. */
export class Networks {
  readonly #documents: DocumentStore;
  readonly #driver: NetworkDriver;
  readonly #events: Events;

  constructor(parts: { documents: DocumentStore; driver: NetworkDriver; events: Events }) {
    this.#documents = parts.documents;
    this.#driver = parts.driver;
    this.#events = parts.events;
  }

  list(): NetworkRecord[] {
    return this.#documents.all<NetworkRecord>(COLLECTION).map(({ document }) => document);
  }

  /** By name, id, or unique prefix of an id. */
  find(reference: string): NetworkRecord {
    const records = this.list();
    const exact = records.find(({ network }) => network.name === reference || network.id === reference);
    if (exact !== undefined) return exact;
    const matches = records.filter(({ network }) => reference !== '' && network.id.startsWith(reference));
    const [first, second] = matches;
    if (second !== undefined)
      throw invalid(`network ${reference} is ambiguous (${matches.length} matches found on ID)`);
    if (first === undefined) throw notFound(`network ${reference} not found`);
    return first;
  }

  /** Makes the three predefined networks and puts back what the host lost. */
  async restore(living: readonly LivingContainer[]): Promise<void> {
    await this.#driver.restore({
      networks: this.list().flatMap(({ network }) => (isLinked(network) ? [network] : [])),
      endpoints: living.flatMap(({ endpoints }) => endpoints),
      ports: living.map(({ id, ports }) => ({ containerId: id, ports })),
    });
    const present = new Set(this.list().map(({ network }) => network.name));
    if (!present.has('bridge')) {
      this.#put({
        network: await this.#driver.createBridge({ id: newNetworkId(), name: 'bridge' }),
        ...predefined(),
      });
    }
    for (const driver of ['host', 'none'] as const) {
      if (!present.has(driver))
        this.#put({ network: { id: newNetworkId(), name: driver, driver }, ...predefined() });
    }
  }

  async create(request: NewNetwork): Promise<NetworkRecord> {
    const { name } = request;
    if (name.trim() === '') throw invalid('invalid name: name is empty');
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
      throw invalid(`"${name}" is no valid network name`, {
        hint: 'It starts with a letter or digit and goes on with those, "_", "." and "-"',
      });
    }
    if (this.list().some(({ network }) => network.name === name)) {
      throw conflict(`network with name ${name} already exists`);
    }
    const network = await this.#make(request);
    const record = {
      network,
      createdAt: new Date().toISOString(),
      labels: request.labels,
      options: request.options,
      attachable: request.attachable,
      predefined: false,
    };
    try {
      this.#put(record);
    } catch (error) {
      await this.#driver.removeNetwork(network);
      throw error;
    }
    this.#events.emit('network', 'create', network.id, { name, type: network.driver });
    return record;
  }

  /** Throws `denied` for a predefined one and `conflict` naming the containers in `users`. */
  async remove(reference: string, users: readonly { name: string; id: string }[]): Promise<void> {
    const { network, predefined } = this.find(reference);
    if (predefined) throw denied(`${network.name} is a pre-defined network and cannot be removed`);
    if (users.length > 0) {
      const names = users.map(({ name, id }) => `name:"${name}" id:"${id.slice(0, 12)}"`).join(', ');
      throw denied(`error while removing network: network ${network.name} has active endpoints (${names})`);
    }
    if (isLinked(network)) await this.#driver.removeNetwork(network);
    this.#documents.delete(COLLECTION, network.id);
    this.#events.emit('network', 'destroy', network.id, { name: network.name, type: network.driver });
  }

  /** The bridge network of an endpoint, for its name. */
  byId(id: NetworkId): NetworkRecord | undefined {
    return this.#documents.get<NetworkRecord>(COLLECTION, id);
  }

  #make(request: NewNetwork): Promise<LinkedNetwork> {
    const { name, driver, internal, ipv4, ipv6, options } = request;
    const wanted = { id: newNetworkId(), name, internal, ...ipv4, ...(ipv6 === undefined ? {} : { ipv6 }) };
    switch (driver) {
      case 'bridge':
        return this.#driver.createBridge({ ...wanted, ...bridgeOptions(options) });
      case 'macvlan':
        return this.#driver.createMacvlan({ ...wanted, ...macvlanOptions(options) });
      default:
        throw refusedDriver(driver);
    }
  }

  #put(record: NetworkRecord): void {
    this.#documents.put(COLLECTION, record.network.id, record);
  }
}

/** Those that there are; the last two have one network each. */
export const NETWORK_DRIVERS: readonly Network['driver'][] = ['bridge', 'macvlan', 'host', 'none'];

/** What a running container occupies, for {@link Networks.restore}. */
export interface LivingContainer {
  readonly id: ContainerId;
  readonly endpoints: readonly Endpoint[];
  readonly ports: Parameters<NetworkDriver['publish']>[1];
}

/** Whether containers have interfaces and addresses of their own on it. */
export function isLinked(network: Network): network is LinkedNetwork {
  return network.driver === 'bridge' || network.driver === 'macvlan';
}

export function isBridge(network: Network): network is BridgeNetwork {
  return network.driver === 'bridge';
}

function predefined() {
  return { createdAt: new Date().toISOString(), labels: {}, options: {}, predefined: true };
}

function refusedDriver(driver: string) {
  if (driver === 'host' || driver === 'none' || driver === 'null') {
    return denied(`only one instance of "${driver}" network is allowed`);
  }
  if (['ipvlan', 'overlay'].includes(driver)) {
    return notImplemented(`the network driver ${driver} is not there yet`, {
      hint: 'Use --driver bridge or macvlan',
    });
  }
  return notFound(`plugin "${driver}" not found`);
}
