import { nftApply } from './commands.ts';
import type { BridgeNetwork, PublishedPort } from './contract.ts';

/**
 * The nftables table of one instance: sets and maps, and a fixed handful of rules that look things up in them. A
 * container's start changes elements only. Its chains accept nothing that the host's own rules drop: an accept
 * in one table never overrides a drop in another (nft(8), "verdict").
 */
export class Firewall {
  readonly #table: string;
  readonly #published = new Map<string, readonly PublishedPort[]>();

  constructor(table: string) {
    this.#table = table;
  }

  /** Puts the whole table in place anew, in one transaction, whatever was there. */
  async restore(networks: readonly BridgeNetwork[]): Promise<void> {
    const ports = [...this.#published.values()].flat();
    await nftApply(
      [
        `table ip ${this.#table}`,
        `delete table ip ${this.#table}`,
        this.#definition(),
        ...networks.map((network) => this.#networkElements('add', network)),
        this.#portElements('add', ports),
      ].join('\n'),
    );
  }

  async addNetwork(network: BridgeNetwork): Promise<void> {
    await nftApply(this.#networkElements('add', network));
  }

  async removeNetwork(network: BridgeNetwork): Promise<void> {
    await nftApply(this.#networkElements('delete', network));
  }

  /** Remembers a container's ports without touching the kernel; {@link restore} puts them in. */
  remember(container: string, ports: readonly PublishedPort[]): void {
    if (ports.length > 0) this.#published.set(container, ports);
  }

  async publish(container: string, ports: readonly PublishedPort[]): Promise<void> {
    const script = this.#portElements('add', ports);
    if (script !== '') await nftApply(script);
    this.remember(container, ports);
  }

  async unpublish(container: string): Promise<void> {
    const ports = this.#published.get(container);
    if (ports === undefined) return;
    this.#published.delete(container);
    const script = this.#portElements('delete', ports);
    if (script !== '') await nftApply(script);
  }

  async remove(): Promise<void> {
    await nftApply(`table ip ${this.#table}\ndelete table ip ${this.#table}`);
  }

  #definition(): string {
    return `
table ip ${this.#table} {
  set bridges { type ifname; }
  set internal { type ifname; }
  set same_bridge { type ifname . ifname; }
  set subnets { type ipv4_addr; flags interval; }
  set published { type ipv4_addr . inet_proto . inet_service; }
  map any_address { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map one_address { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }

  chain to_container {
    dnat ip to ip daddr . meta l4proto . th dport map @one_address
    dnat ip to meta l4proto . th dport map @any_address
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    fib daddr type local jump to_container
  }
  chain output {
    type nat hook output priority -100;
    ip daddr != 127.0.0.0/8 fib daddr type local jump to_container
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr @subnets oifname != @bridges masquerade
    ip saddr @subnets oifname @bridges ct status dnat masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @same_bridge accept
    iifname @internal drop
    oifname @internal drop
    oifname @bridges ct status dnat ip daddr . meta l4proto . th dport @published accept
    oifname @bridges drop
  }
}`;
  }

  #networkElements(verb: 'add' | 'delete', { bridge, subnet, internal }: BridgeNetwork): string {
    const element = (set: string, value: string) => `${verb} element ip ${this.#table} ${set} { ${value} }`;
    return [
      element('bridges', `"${bridge}"`),
      element('same_bridge', `"${bridge}" . "${bridge}"`),
      internal ? element('internal', `"${bridge}"`) : element('subnets', subnet),
    ].join('\n');
  }

  /** Ports on loopback have no rule: the process that holds the listening socket forwards those. */
  #portElements(verb: 'add' | 'delete', ports: readonly PublishedPort[]): string {
    const outer = ports.filter(({ hostIp }) => !hostIp.startsWith('127.'));
    return outer
      .flatMap(({ protocol, hostIp, hostPort, containerIp, containerPort }) => {
        const [map, key] =
          hostIp === '0.0.0.0'
            ? ['any_address', `${protocol} . ${hostPort}`]
            : ['one_address', `${hostIp} . ${protocol} . ${hostPort}`];
        const value = verb === 'add' ? `${key} : ${containerIp} . ${containerPort}` : key;
        return [
          `${verb} element ip ${this.#table} ${map} { ${value} }`,
          `${verb} element ip ${this.#table} published { ${containerIp} . ${protocol} . ${containerPort} }`,
        ];
      })
      .join('\n');
  }
}
