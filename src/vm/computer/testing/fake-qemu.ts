import { unavailable } from '../../../base/index.ts';
import type { ComputerLayout } from '../contract.ts';
import type { ComputerEvent } from '../events.ts';
import type { ComputerEventStream, ComputerMonitor } from '../monitor.ts';
import { placeOptions, portArguments } from '../places.ts';

const MIB = 1024 ** 2;

export interface FakeGuest {
  /** Whether its system goes along with what is asked of it. */
  readonly obedient: boolean;
  readonly keepsProcessors?: boolean;
  /** Bytes that it does not take or give. */
  readonly memoryKept?: number;
}

/** As much of QEMU as is needed to change a computer, which answers as QEMU does. */
export class FakeQemu implements ComputerMonitor {
  /** What was asked that changes something. */
  readonly changes: string[] = [];
  readonly #layout: ComputerLayout;
  readonly #guest: FakeGuest;
  readonly #processors: Set<number>;
  readonly #devices: Map<string, { readonly type: string; readonly properties: Record<string, unknown> }>;
  readonly #sizes: Map<string, number>;
  readonly #streams = new Set<EventQueue>();
  #left: number;
  #more = 0;

  constructor(layout: ComputerLayout, guest: FakeGuest = { obedient: true }) {
    const { processors, memory, disks, readOnlyDisks, cards } = layout;
    this.#layout = layout;
    this.#guest = guest;
    this.#processors = new Set(Array.from({ length: processors.present }, (_, index) => index));
    this.#left = memory.start;
    this.#sizes = new Map(disks.map(({ name }) => [`disk-${name}`, 1024 * MIB]));
    this.#devices = new Map();
    for (const word of portArguments(layout.model, layout.places)) {
      const id = /id=(port\d+),/.exec(word)?.[1];
      if (id !== undefined) this.#put(id, 'pcie-root-port', {});
    }
    for (const { name, place } of disks)
      this.#put(`disk-${name}`, 'virtio-blk-pci', placeOptions(layout.model, 'disk', place));
    for (const { name, place } of readOnlyDisks) {
      this.#put(`medium-${name}`, 'virtio-blk-pci', placeOptions(layout.model, 'read-only-disk', place));
    }
    for (const [index, name] of layout.drives.entries()) {
      this.#put(`medium-${name}`, 'ide-cd', { bus: `ide.${index}` });
    }
    for (const { name, place, mtu } of cards) {
      const more = { mac: name, host_mtu: mtu };
      this.#put(`card-${name.replaceAll(':', '')}`, 'virtio-net-pci', {
        ...placeOptions(layout.model, 'card', place),
        ...more,
      });
    }
  }

  async execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    { descriptor }: { readonly descriptor?: number } = {},
  ): Promise<unknown> {
    if (!command.startsWith('query') && !command.startsWith('qom-get') && command !== 'qom-list') {
      this.changes.push(
        [command, ...Object.values(args).filter((value) => typeof value !== 'object')].join(' '),
      );
    }
    const { memory, processors } = this.#layout;
    switch (command) {
      case 'query-version':
        return { qemu: { major: 7, minor: 2, micro: 22 } };
      case 'query-kvm':
        return { enabled: this.#layout.accelerator === 'kvm' };
      case 'query-hotpluggable-cpus':
        return Array.from({ length: processors.most }, (_, index) => ({
          props: { 'core-id': index },
          ...(this.#processors.has(index) ? { 'qom-path': '/cpu' } : {}),
        })).reverse();
      case 'query-cpus-fast':
        return [...this.#processors].map((index) => ({ 'cpu-index': index }));
      case 'query-memory-size-summary':
        return { 'base-memory': memory.start };
      case 'query-balloon':
        return { actual: this.#left };
      case 'query-memory-devices': {
        const device = {
          id: 'more-memory',
          size: this.#more,
          'block-size': 2 * MIB,
          'max-size': memory.more,
        };
        return memory.more === 0 ? [] : [{ type: 'virtio-mem', data: device }];
      }
      case 'query-named-block-nodes':
        return [...this.#sizes].map(([name, size]) => ({
          'node-name': name,
          image: { 'virtual-size': size },
        }));
      case 'qom-list':
        return [...this.#devices].map(([name, { type }]) => ({ name, type: `child<${type}>` }));
      case 'qom-get':
        return this.#property(String(args.path), String(args.property));
      case 'qom-set':
        return this.#becomes(() => {
          this.#more = this.#reached(this.#more, Number(args.value));
        }, 'MEMORY_DEVICE_SIZE_CHANGE');
      case 'balloon':
        return this.#becomes(() => {
          this.#left = this.#reached(this.#left, Number(args.value));
        }, 'BALLOON_CHANGE');
      case 'device_add':
        return this.#add(args);
      case 'device_del':
        return this.#remove(String(args.id));
      case 'add-fd':
        return descriptor === undefined ? refuse(command) : { 'fdset-id': 7, fd: 20 };
      case 'blockdev-add':
        this.#sizes.set(String(args['node-name']), 1024 * MIB);
        return {};
      case 'blockdev-del':
        this.#sizes.delete(String(args['node-name']));
        return {};
      case 'block_resize':
        this.#sizes.set(String(args['node-name']), Number(args.size));
        return {};
      default:
        return refuse(command);
    }
  }

  async events(): Promise<ComputerEventStream> {
    const queue = new EventQueue(() => this.#streams.delete(queue));
    this.#streams.add(queue);
    return queue;
  }

  #put(id: string, type: string, options: Record<string, unknown>): void {
    const { bus, addr, ...properties } = options;
    this.#devices.set(id, {
      type,
      properties: { ...properties, parent_bus: `/machine/${bus}`, addr: Number(addr) * 8 },
    });
  }

  #property(path: string, property: string): unknown {
    if (path === '/machine')
      return { q35: 'pc-q35-7.2', pc: 'pc-i440fx-7.2', microvm: 'microvm' }[this.#layout.model];
    return this.#devices.get(path.replace('/machine/peripheral/', ''))?.properties[property];
  }

  #add({ driver, id, ...options }: Readonly<Record<string, unknown>>): unknown {
    if (String(driver).endsWith('cpu')) this.#processors.add(Number(options['core-id']));
    else this.#put(String(id), String(driver), options);
    return {};
  }

  #remove(id: string): unknown {
    if (id.startsWith('cpu')) {
      if (this.#guest.keepsProcessors === true) {
        return this.#becomes(() => {}, 'ACPI_DEVICE_OST', { info: { source: 3, status: 0x80 } });
      }
      const number = Number(id.slice(3));
      return this.#becomes(() => this.#processors.delete(number), 'ACPI_DEVICE_OST', {
        info: { source: 3, status: 0 },
      });
    }
    return this.#becomes(() => this.#devices.delete(id), 'DEVICE_DELETED', { device: id });
  }

  /** What the guest has when it is asked for `wanted`. */
  #reached(present: number, wanted: number): number {
    const kept = this.#guest.memoryKept ?? 0;
    return wanted > present ? Math.max(present, wanted - kept) : Math.min(present, wanted + kept);
  }

  /** Done by the guest, which QEMU tells as an event. */
  #becomes(change: () => unknown, name: string, data: Record<string, unknown> = {}): unknown {
    if (!this.#guest.obedient) return {};
    change();
    for (const stream of this.#streams) stream.push({ name, data });
    return {};
  }
}

function refuse(command: string): never {
  throw unavailable(`QEMU refuses ${command}`);
}

/** Events wait until somebody looks for them. */
export class EventQueue implements ComputerEventStream {
  readonly #events: ComputerEvent[] = [];
  readonly #onClose: () => void;
  #more: (() => void) | undefined;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  push(event: ComputerEvent): void {
    this.#events.push(event);
    this.#more?.();
  }

  async find(matches: (event: ComputerEvent) => boolean): Promise<ComputerEvent> {
    for (;;) {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        if (matches(event)) return event;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#more = resolve;
      await promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onClose();
  }
}
