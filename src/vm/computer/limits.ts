import { formatBinarySize, invalid } from '../../base/index.ts';
import type { DeviceCounts, Hardware } from './contract.ts';
import { FIRMWARE_MEMORY } from './firmware.ts';
import { placesOf } from './places.ts';

/** Throws `invalid` for what no computer is. */
export function requirePossible({ model, firmware, allotment }: Hardware, devices: DeviceCounts): void {
  if (model === 'microvm' && firmware === 'uefi') {
    throw invalid('a microvm has no UEFI: there is none that knows its devices', {
      hint: 'Use --machine q35 with --firmware uefi, or leave --firmware out',
    });
  }
  const least = FIRMWARE_MEMORY[firmware];
  if (allotment.memory < least) {
    throw invalid(
      `${formatBinarySize(allotment.memory)} of memory are less than the firmware (${firmware}) needs: ${formatBinarySize(least)}`,
      { hint: 'Ask for more with -m' },
    );
  }
  const most = placesOf(model);
  requirePlaces(model, 'disks', devices.disks, most.disks);
  requirePlaces(model, 'network cards', devices.cards, most.cards);
  requirePlaces(model, 'media', devices.media, most.media);
}

function requirePlaces(model: string, what: string, wanted: number, most: number): void {
  if (wanted <= most) return;
  const hint = model === 'q35' ? {} : { hint: '--machine q35 has the most' };
  throw invalid(`a machine of the type ${model} has room for ${most} ${what}, not for ${wanted}`, hint);
}
