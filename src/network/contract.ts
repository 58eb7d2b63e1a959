import type { ContainerId, NetworkId, PortProtocol } from '../base/index.ts';
import type { AddressRange } from './address-pool.ts';
import type { ContainerPort } from './direct-ports.ts';
import type { GatewayModes } from './gateway-modes.ts';
import type { PortReach } from './reach/port-reach.ts';

export type { AddressRange } from './address-pool.ts';
export type { ContainerPort } from './direct-ports.ts';
export type { PortReach } from './reach/port-reach.ts';
export type { Obstacle, Passage } from './reach/verdict.ts';

/** A network as it was created; `driver` decides what the kernel holds for it. */
export type Network =
  | LinkedNetwork
  | { readonly id: NetworkId; readonly name: string; readonly driver: 'host' | 'none' };

/** A network on which containers have interfaces and addresses of their own. */
export type LinkedNetwork = BridgeNetwork | MacvlanNetwork;

/** Its own range of addresses is IPv4. */
interface AddressedNetwork extends AddressRange {
  readonly id: NetworkId;
  readonly name: string;
  /** Unset: the network has no IPv6. */
  readonly ipv6?: AddressRange;
  /** No way out of the network. */
  readonly internal: boolean;
  readonly mtu: number;
}

/**
 * Containers beside the host on a link of its: each has a MAC address there, and no rule of the host in its way. The host
 * itself does not reach them by that link (kernel, macvlan).
 */
export interface MacvlanNetwork extends AddressedNetwork {
  readonly driver: 'macvlan';
  /** The host's interface. */
  readonly parent: string;
  /** The interface was made for this network: a dummy, by which containers reach each other alone. */
  readonly hasOwnParent?: boolean;
  readonly mode: MacvlanMode;
}

/** ip-link(8), macvlan. */
export type MacvlanMode = 'bridge' | 'private' | 'vepa' | 'passthru';

export interface BridgeNetwork extends AddressedNetwork {
  readonly driver: 'bridge';
  /** The interface's name on the host, at most 15 bytes. */
  readonly bridge: string;
  /** Its containers do not reach each other directly, only by published ports (Docker's enable_icc=false). */
  readonly separated?: boolean;
  /** What goes out keeps its address (Docker's enable_ip_masquerade=false); unset: it has the host's. */
  readonly keepsAddress?: boolean;
  /** The host's address that ports are published on where none is asked for; unset: every address. */
  readonly publishAt?: string;
  /** What its containers' interfaces are called, with a number behind; unset: "eth". */
  readonly interfacePrefix?: string;
  /** Unset: "nat". */
  readonly gatewayModes?: GatewayModes;
  /** The host has no IPv4 address on the bridge (Docker's inhibit_ipv4). */
  readonly withoutHostAddress?: boolean;
  /** What comes in by these interfaces of the host's reaches published ports by the container's own address. */
  readonly trustedInterfaces?: readonly string[];
}

/** A container's port that is reached by the container's own address. */
export interface DirectPort {
  readonly protocol: PortProtocol;
  /** The container's. */
  readonly address: string;
  readonly port: number;
  /** The host's interface that it is reached by; unset: any. */
  readonly from?: string;
}

/** A container's connection to one network. */
export interface Endpoint {
  readonly containerId: ContainerId;
  readonly networkId: NetworkId;
  /** Without prefix length. */
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string | undefined;
  /** On a network with IPv6. */
  readonly ipv6?: EndpointAddress;
  readonly macAddress: string;
  /** Name on the host's side (on macvlan networks there is no such interface), and inside ("eth0"). */
  readonly hostInterface: string;
  readonly containerInterface: string;
  /** Unset: its gateway is the host. */
  readonly isApart?: boolean;
  /** Of its default route: the lowest one's is used. Undefined: the number in the interface's name. */
  readonly metric?: number;
  /** Unset: none. */
  readonly directPorts?: readonly DirectPort[];
}

/** An address of an endpoint, without prefix length. */
export interface EndpointAddress {
  readonly address: string;
  readonly prefixLength: number;
  /** undefined: no way out of the network. */
  readonly gateway: string | undefined;
}

/** What a container asks for at a network; unset: what is free. */
export interface WantedAddresses {
  readonly address?: string;
  readonly ipv6Address?: string;
  readonly macAddress?: string;
  readonly shape?: Shape;
  readonly interface?: InterfaceOptions;
  /** What it publishes, for networks that lead to that directly. */
  readonly ports?: readonly ContainerPort[];
}

/** Docker's com.docker.network.endpoint.*. */
export interface InterfaceOptions {
  /** The interface's name in the container; unset: the network's prefix with a number. */
  readonly name?: string;
  /** As "net.ipv4.conf.IFNAME.log_martians=1", where IFNAME stands for the interface. */
  readonly sysctls?: readonly string[];
}

/** What a container's traffic on a network is slowed down to, in each direction: for tests of slow links. */
export interface Shape {
  /** Bits per second. */
  readonly rate?: number;
  /** Milliseconds. */
  readonly delay?: number;
}

/** A published port whose host port is known. */
export interface PublishedPort {
  readonly protocol: PortProtocol;
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

/** A published port and the network that its container is reached by. */
export type ReachablePort = PublishedPort & { readonly networkId: NetworkId };

/** Where the network namespace comes from; the launcher implements it. */
export interface NamespaceSource {
  create(): Promise<NamespaceHandle>;
  release(handle: NamespaceHandle): Promise<void>;
}

export interface NamespaceHandle {
  readonly handle: number;
  /** A path that `ip` and `nsenter --net=` accept. */
  readonly path: string;
}

export interface NewBridge extends Partial<AddressRange> {
  readonly id: NetworkId;
  readonly name: string;
  /** Unset: no IPv6. Without a subnet, one of the instance's own is chosen (a unique local one, RFC 4193). */
  readonly ipv6?: Partial<AddressRange>;
  readonly internal?: boolean;
  readonly mtu?: number;
  readonly bridge?: string;
  readonly separated?: boolean;
  readonly keepsAddress?: boolean;
  readonly publishAt?: string;
  readonly interfacePrefix?: string;
  readonly gatewayModes?: GatewayModes;
  readonly withoutHostAddress?: boolean;
  readonly trustedInterfaces?: readonly string[];
}

export interface NewMacvlan extends Partial<AddressRange> {
  readonly id: NetworkId;
  readonly name: string;
  readonly ipv6?: Partial<AddressRange>;
  readonly internal?: boolean;
  /** Unset: one is made, as in Docker, by which containers reach each other alone. */
  readonly parent?: string;
  readonly mode: MacvlanMode;
}

/**
 * Bridges, addresses and firewall rules of one instance. Everything it makes on the host carries the
 * instance's name. It remembers nothing across restarts: the engine hands records back by {@link restore}.
 */
export interface NetworkDriver extends AsyncDisposable {
  /** Chooses what was not given (a subnet free of host routes and other networks) and makes the bridge and rules. Throws `conflict` for overlaps, naming with what. */
  createBridge(request: NewBridge): Promise<BridgeNetwork>;
  /** A network beside the host on the link of an interface. Throws `not-found` for an interface that is not there, `unavailable` where the kernel has none to make. */
  createMacvlan(request: NewMacvlan): Promise<MacvlanNetwork>;
  removeNetwork(network: LinkedNetwork): Promise<void>;
  /** After a start: makes missing bridges and rules again, and takes the addresses and ports of living containers as used. Removes what belongs to no record. */
  restore(state: {
    networks: readonly LinkedNetwork[];
    endpoints: readonly Endpoint[];
    ports: readonly { containerId: ContainerId; ports: readonly PublishedPort[] }[];
  }): Promise<void>;
  /** A namespace with loopback up and no other interface. */
  createSandbox(): Promise<NamespaceHandle>;
  /** A namespace whose first interface is already connected to `network`; from the pool where one is ready. */
  connectNew(
    containerId: ContainerId,
    network: LinkedNetwork,
    options?: WantedAddresses,
  ): Promise<{ namespace: NamespaceHandle; endpoint: Endpoint }>;
  /** Until it is disposed of, nothing is made ahead of time: a start that is under way has the machine to itself. */
  holdSpares(): Disposable;
  /** Adds an interface to an existing namespace. */
  connect(
    containerId: ContainerId,
    network: LinkedNetwork,
    namespacePath: string,
    options?: WantedAddresses & { metric?: number },
  ): Promise<Endpoint>;
  /**
   * Gives the default routes of a namespace's interfaces their order, the first one's is used; returns them with it. The
   * place `free` is left for one that comes.
   */
  orderRoutes(endpoints: readonly Endpoint[], namespacePath: string, free?: number): Promise<Endpoint[]>;
  /** Removes the interface and frees the address; nothing to do is fine (the namespace may be gone). */
  /** In a namespace that lives on, its path must be given. */
  disconnect(endpoint: Endpoint, namespacePath?: string): Promise<void>;
  /** DNAT rules for ports whose host side is known; removed by {@link unpublish}. */
  publish(containerId: ContainerId, ports: readonly PublishedPort[]): Promise<void>;
  /** Removes the rules for some of a container's ports, for all where none are given. */
  unpublish(containerId: ContainerId, ports?: readonly PublishedPort[]): Promise<void>;
  /** Who gets to each of these published ports through the host's own rules, as those are now. */
  reach(ports: readonly ReachablePort[], signal?: AbortSignal): Promise<PortReach[]>;
  /** Removes everything that this instance made on the host. */
  removeInstance(): Promise<void>;
}

/** One container's place in one network, and all that it is called there. */
export interface NamedEndpoint {
  readonly network: { readonly id: NetworkId; readonly name: string };
  readonly addresses: readonly string[];
  /** What its addresses are called; with the network's name behind it. */
  readonly title: string;
  /** Those that are no DNS names are left out. */
  readonly names: readonly string[];
}

/** What a container may ask for. */
export interface NameView {
  /** In the order in which they answer. A link's alias is known to this container only. */
  readonly networks: readonly {
    readonly id: NetworkId;
    readonly links: readonly { readonly alias: string; readonly target: string }[];
  }[];
  /** Whether other names are asked of servers outside. */
  readonly forward: boolean;
  /** Those servers' addresses; none: the host's. */
  readonly servers: readonly string[];
  /**
   * Domains that its system puts behind names without a dot before it asks for them as they are: behind a container's name they
   * are passed over. Of one that asks for the name itself first: none.
   */
  readonly search: readonly string[];
}

/** A container that runs in networks with names. */
export interface NamedContainer {
  readonly id: ContainerId;
  /** Of its network namespace. */
  readonly namespacePath: string;
  readonly endpoints: readonly NamedEndpoint[];
  readonly view: NameView;
}

/** What the resolver answers with, in each container at 127.0.0.11. It stays when berthd ends. */
export interface NameDirectory {
  /** Says what a container is called and may ask; replaces what was said of it before. Known at once. Throws `unavailable`. */
  publish(container: NamedContainer): void;
  /** Forgets a container; one that is unknown is fine. */
  withdraw(id: ContainerId): void;
  /** After a start: these containers, and no others. */
  restore(containers: readonly NamedContainer[]): void;
}
