import { conflict } from '../../base/index.ts';
import type { HostResources } from '../resources.ts';
import type { ComputerLayout, LaidOutComputer, Placed } from './contract.ts';
import { placesFor, placesOf } from './places.ts';

/** Linux takes new memory in blocks of this size. */
const MEMORY_BLOCK = 128 * 1024 ** 2;

/** More processors than that have to be woken in other ways. */
const MOST_PROCESSORS = 64;

/** What a computer stands on. */
export interface Ground {
  readonly hypervisor: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly host: HostResources;
}

/** The layout of a computer that boots: its devices in their order, and places for what may come while it runs. */
export function layoutOf(
  request: LaidOutComputer,
  { hypervisor, accelerator, host }: Ground,
): ComputerLayout {
  const { model, firmware, allotment } = request.hardware;
  const { live } = placesOf(model);
  const readOnlyDisks = placed(request.media.filter(({ kind }) => kind === 'disk'));
  const [disks, cards] = [request.disks.length, request.cards.length];
  return {
    ...{ version: 1, hypervisor, accelerator, model, firmware },
    places: placesFor(model, { disks, cards, media: readOnlyDisks.length }),
    processors: {
      present: allotment.processors,
      most: live ? mostProcessors(allotment.processors, host) : allotment.processors,
    },
    memory: { start: allotment.memory, more: live ? moreMemory(allotment.memory, host) : 0 },
    disks: placed(request.disks),
    readOnlyDisks,
    drives: request.media.filter(({ kind }) => kind === 'cdrom').map(({ name }) => name),
    cards: request.cards.map(({ macAddress, mtu }, place) => ({ name: macAddress, place, mtu })),
  };
}

function mostProcessors(present: number, host: HostResources): number {
  return Math.max(present, Math.min(host.processors, MOST_PROCESSORS));
}

/** As much as the host has; the guest is given less. */
function moreMemory(start: number, host: HostResources): number {
  return Math.max(0, Math.floor((host.memory - start) / MEMORY_BLOCK) * MEMORY_BLOCK);
}

function placed(devices: readonly { readonly name: string }[]): Placed[] {
  return devices.map(({ name }, place) => ({ name, place }));
}

/** Throws `conflict` when a computer that was saved with `saved` cannot go on as `request` on `ground`. */
export function requireSameComputer(saved: ComputerLayout, request: LaidOutComputer, ground: Ground): void {
  for (const [what, then, now] of differences(saved, layoutOf(request, ground))) {
    throw conflict(`the snapshot is of a machine with ${what} ${then}, and this one has ${now}`, {
      hint: 'Restore only its disks, or make the machine as it was',
    });
  }
}

type Difference = readonly [what: string, then: string, now: string];

/** Not the amounts: those of a snapshot are the ones that are restored. */
function differences(saved: ComputerLayout, now: ComputerLayout): Difference[] {
  const facts = (layout: ComputerLayout): [string, string][] => [
    ['the layout', String(layout.version)],
    ['QEMU', layout.hypervisor],
    ['the accelerator', layout.accelerator],
    ['the type', layout.model],
    ['the firmware', layout.firmware],
    ['the disks', namesOf(layout.disks)],
    ['the media', [namesOf(layout.readOnlyDisks), ...layout.drives].join(' ')],
    ['the network cards', namesOf(layout.cards)],
  ];
  const present = new Map(facts(now));
  return facts(saved)
    .map(([what, then]): Difference => [what, then, present.get(what) ?? ''])
    .filter(([, then, other]) => then !== other);
}

function namesOf(devices: readonly Placed[]): string {
  return (
    devices
      .map(({ name }) => name)
      .sort()
      .join(' ') || 'none'
  );
}
