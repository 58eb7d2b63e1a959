import type { ComputerModel, DeviceCounts } from './contract.ts';

/** Devices that have places. Those of a kind have theirs, so that a card keeps its name in the guest, which follows its place, when a disk is added. */
export type PlaceKind = 'card' | 'disk' | 'read-only-disk';

interface Places extends DeviceCounts {
  /** Whether a device can be put into a place while the guest runs. */
  readonly live: boolean;
}

const MEDIA = 2;

const places: Record<ComputerModel, Places> = {
  q35: { cards: 8, disks: 16, media: MEDIA, live: true },
  /** One bus with 32 slots, of which the board and what every computer has take eight. */
  pc: { cards: 8, disks: 14, media: MEDIA, live: true },
  /** 24 virtio transports; with the last one taken, guests hang. The upper ones have what every computer has. */
  microvm: { cards: 4, disks: 12, media: MEDIA, live: false },
};

export function placesOf(model: ComputerModel): Places {
  return places[model];
}

/** The first one of `count` that nothing has; undefined: all are taken. */
export function freePlace(count: number, taken: readonly { readonly place: number }[]): number | undefined {
  return Array.from({ length: count }, (_, place) => place).find(
    (place) => !taken.some((device) => device.place === place),
  );
}

/** Where a device goes, as its options say it: a bus, and the slot there. */
export function placeOptions(model: ComputerModel, kind: PlaceKind, place: number): Record<string, string> {
  const index = firstPlace(model, kind) + place;
  if (model === 'pc') return { bus: 'pci.0', addr: hex(PC_SLOT + index) };
  return { bus: model === 'q35' ? `port${index}` : `virtio-mmio-bus.${index}` };
}

function firstPlace(model: ComputerModel, kind: PlaceKind): number {
  const { cards, disks } = places[model];
  if (kind === 'card') return 0;
  return kind === 'disk' ? cards : cards + disks;
}

/** What {@link placeOptions} made; undefined: something else. `address` is the device's number on the bus, times eight. */
export function placeAt(
  model: ComputerModel,
  kind: PlaceKind,
  bus: string,
  address: number,
): number | undefined {
  const index = model === 'pc' ? address / 8 - PC_SLOT : Number(/(\d+)$/.exec(bus)?.[1] ?? Number.NaN);
  const place = index - firstPlace(model, kind);
  return Number.isInteger(place) && place >= 0 ? place : undefined;
}

/** Places that are free when a computer starts: each costs a guest a moment of its boot. */
const SPARE = { cards: 2, disks: 4 };

/** The places of a computer that starts with so many devices. Those of a controller that is there anyway cost nothing. */
export function placesFor(model: ComputerModel, { cards, disks, media }: DeviceCounts): DeviceCounts {
  const most = places[model];
  if (model !== 'q35') return { cards: most.cards, disks: most.disks, media: most.media };
  return {
    cards: Math.min(most.cards, cards + SPARE.cards),
    disks: Math.min(most.disks, disks + SPARE.disks),
    media,
  };
}

/** q35 takes new devices at ports of PCI Express only, one each. */
export function portArguments(model: ComputerModel, { cards, disks, media }: DeviceCounts): string[] {
  if (model !== 'q35') return [];
  const kinds: [PlaceKind, number][] = [
    ['card', cards],
    ['disk', disks],
    ['read-only-disk', media],
  ];
  return kinds.flatMap(([kind, count]) => {
    const first = firstPlace(model, kind);
    return Array.from({ length: count }, (_, place) => ['-device', port(first + place)]).flat();
  });
}

/** The places that {@link portArguments} made, by the names of all devices. */
export function placesAmong(model: ComputerModel, ids: readonly string[]): DeviceCounts {
  if (model !== 'q35') return placesFor(model, { cards: 0, disks: 0, media: 0 });
  const ports = ids.flatMap((id) => /^port(\d+)$/.exec(id)?.[1] ?? []).map(Number);
  const disks = firstPlace(model, 'disk');
  const media = firstPlace(model, 'read-only-disk');
  return {
    cards: ports.filter((index) => index < disks).length,
    disks: ports.filter((index) => index >= disks && index < media).length,
    media: ports.filter((index) => index >= media).length,
  };
}

/** Eight are one device of the root bus, and the first of each kind is the first of a device. None asks for a part of the few I/O ports, which virtio does without. */
function port(index: number): string {
  const [device, part] = [Q35_DEVICE + Math.floor(index / 8), index % 8];
  const together = part === 0 ? ',multifunction=on' : '';
  return `pcie-root-port,id=port${index},chassis=${index + 1},addr=${hex(device)}.${part},io-reserve=0${together}`;
}

const PC_SLOT = 0x08;
const Q35_DEVICE = 0x10;

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
