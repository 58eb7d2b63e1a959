import { internal } from '../../base/index.ts';
import { MEMORY_DEVICE } from './arguments.ts';
import type { ComputerLayout, ComputerModel, Placed } from './contract.ts';
import type { ComputerMonitor } from './monitor.ts';
import { type PlaceKind, placeAt, placesAmong, placesOf } from './places.ts';
import { numberIn, objectIn, objectsIn, textIn } from './qmp-fields.ts';

/** What a computer that runs consists of now, as QEMU itself tells it: a changed one is not as it was started. */
export async function surveyComputer(monitor: ComputerMonitor): Promise<ComputerLayout> {
  const model = await modelOf(monitor);
  const [version, kvm, processors, memory, devices, nodes] = await Promise.all([
    monitor.execute('query-version'),
    monitor.execute('query-kvm'),
    surveyProcessors(monitor, model),
    surveyMemory(monitor),
    devicesOf(monitor),
    monitor.execute('query-named-block-nodes', { flat: true }),
  ]);
  const isUefi = objectsIn(nodes).some((node) => node['node-name'] === 'firmware');
  return {
    version: 1,
    hypervisor: versionIn(version),
    accelerator: objectIn(kvm).enabled === true ? 'kvm' : 'tcg',
    model,
    firmware: isUefi ? 'uefi' : 'bios',
    places: placesAmong(
      model,
      devices.map(({ id }) => id),
    ),
    processors: { present: processors.present.length, most: processors.most },
    memory: { start: memory.start, more: memory.more?.most ?? 0 },
    disks: await placedDevices(monitor, model, 'disk', named(devices, 'disk-', 'virtio-blk')),
    readOnlyDisks: await placedDevices(
      monitor,
      model,
      'read-only-disk',
      named(devices, 'medium-', 'virtio-blk'),
    ),
    drives: await drivesIn(monitor, devices),
    cards: await cards(monitor, model, named(devices, 'card-', 'virtio-net')),
  };
}

async function modelOf(monitor: ComputerMonitor): Promise<ComputerModel> {
  const type = textIn(await monitor.execute('qom-get', { path: '/machine', property: 'type' }));
  if (type.startsWith('pc-q35')) return 'q35';
  if (type.startsWith('pc-i440fx')) return 'pc';
  if (type.startsWith('microvm')) return 'microvm';
  throw internal(`QEMU runs a machine of a type that berth starts none of: ${type}`);
}

function versionIn(answer: unknown): string {
  const { major, minor, micro } = objectIn(objectIn(answer).qemu);
  return [major, minor, micro].map(numberIn).join('.');
}

export interface ProcessorSurvey {
  /** Their numbers, from 0. */
  readonly present: readonly number[];
  readonly most: number;
}

export async function surveyProcessors(
  monitor: ComputerMonitor,
  model: ComputerModel,
): Promise<ProcessorSurvey> {
  if (!placesOf(model).live) {
    const all = objectsIn(await monitor.execute('query-cpus-fast'));
    return { present: all.map((_, index) => index), most: all.length };
  }
  return hotProcessors(monitor);
}

/** Of a computer whose processors can change. */
export async function hotProcessors(monitor: ComputerMonitor): Promise<ProcessorSurvey> {
  const places = objectsIn(await monitor.execute('query-hotpluggable-cpus'));
  const present = places.filter((place) => place['qom-path'] !== undefined);
  return {
    present: present
      .map(({ props }) => numberIn(objectIn(props)['core-id']))
      .sort((one, other) => one - other),
    most: places.length,
  };
}

export interface MemorySurvey {
  /** Bytes since the start, and how much of them the guest has now. */
  readonly start: number;
  readonly left: number;
  readonly more: { readonly present: number; readonly block: number; readonly most: number } | undefined;
}

export async function surveyMemory(monitor: ComputerMonitor): Promise<MemorySurvey> {
  const [summary, balloon, devices] = await Promise.all([
    monitor.execute('query-memory-size-summary'),
    monitor.execute('query-balloon'),
    monitor.execute('query-memory-devices'),
  ]);
  const more = objectsIn(devices)
    .map(({ data }) => objectIn(data))
    .find(({ id }) => id === MEMORY_DEVICE);
  return {
    start: numberIn(objectIn(summary)['base-memory']),
    left: numberIn(objectIn(balloon).actual),
    more: more && {
      present: numberIn(more.size),
      block: numberIn(more['block-size']),
      most: numberIn(more['max-size']),
    },
  };
}

interface Device {
  readonly id: string;
  readonly type: string;
}

async function devicesOf(monitor: ComputerMonitor): Promise<Device[]> {
  const all = objectsIn(await monitor.execute('qom-list', { path: '/machine/peripheral' }));
  return all.map(({ name, type }) => {
    return { id: textIn(name), type: textIn(type).replace(/^child<(.*)>$/, '$1') };
  });
}

interface NamedDevice {
  readonly id: string;
  readonly name: string;
}

function named(devices: readonly Device[], prefix: string, type: string): NamedDevice[] {
  return devices
    .filter((device) => device.id.startsWith(prefix) && device.type.startsWith(type))
    .map(({ id }) => ({ id, name: id.slice(prefix.length) }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

async function placedDevices(
  monitor: ComputerMonitor,
  model: ComputerModel,
  kind: PlaceKind,
  devices: readonly NamedDevice[],
): Promise<Placed[]> {
  const all = devices.map(async ({ id, name }) => ({ name, place: await placeOf(monitor, model, kind, id) }));
  return (await Promise.all(all)).sort((one, other) => one.place - other.place);
}

async function placeOf(
  monitor: ComputerMonitor,
  model: ComputerModel,
  kind: PlaceKind,
  id: string,
): Promise<number> {
  const bus = textIn(await propertyOf(monitor, id, 'parent_bus'));
  const address = model === 'pc' ? numberIn(await propertyOf(monitor, id, 'addr')) : 0;
  const place = placeAt(model, kind, bus, address);
  if (place === undefined) throw internal(`QEMU has the device ${id} at ${bus}, where berth puts none`);
  return place;
}

/** In the order of their places: each on a channel of its own, or with a number of its own. */
async function drivesIn(monitor: ComputerMonitor, devices: readonly Device[]): Promise<string[]> {
  const onChannels = named(devices, 'medium-', 'ide-').map(async ({ id, name }) => {
    const bus = textIn(await propertyOf(monitor, id, 'parent_bus'));
    return { name, place: Number(/(\d+)$/.exec(bus)?.[1]) };
  });
  const withNumbers = named(devices, 'medium-', 'scsi-').map(async ({ id, name }) => {
    return { name, place: numberIn(await propertyOf(monitor, id, 'lun')) };
  });
  const all = await Promise.all([...onChannels, ...withNumbers]);
  return all.sort((one, other) => one.place - other.place).map(({ name }) => name);
}

async function cards(
  monitor: ComputerMonitor,
  model: ComputerModel,
  devices: readonly NamedDevice[],
): Promise<ComputerLayout['cards']> {
  const placed = await placedDevices(
    monitor,
    model,
    'card',
    devices.map(({ id }) => ({ id, name: id })),
  );
  const all = placed.map(async ({ name: id, place }) => ({
    name: textIn(await propertyOf(monitor, id, 'mac')),
    place,
    mtu: numberIn(await propertyOf(monitor, id, 'host_mtu')),
  }));
  return Promise.all(all);
}

function propertyOf(monitor: ComputerMonitor, id: string, property: string): Promise<unknown> {
  return monitor.execute('qom-get', { path: `/machine/peripheral/${id}`, property });
}
