import { expect, test } from 'vitest';
import type { DeviceCounts, Hardware } from './contract.ts';
import { requirePossible } from './limits.ts';

const MIB = 1024 ** 2;
const few: DeviceCounts = { disks: 1, media: 1, cards: 1 };

function hardware(changes: Partial<Hardware>, memory = 1024 * MIB): Hardware {
  return { model: 'q35', firmware: 'bios', allotment: { processors: 1, memory }, ...changes };
}

test('a microvm with UEFI is refused: there is none for it', () => {
  expect(() => requirePossible(hardware({ model: 'microvm', firmware: 'uefi' }), few)).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      message: 'a microvm has no UEFI: there is none that knows its devices',
    }),
  );
});

test('memory that a firmware does not start with is refused with the numbers', () => {
  expect(() => requirePossible(hardware({ firmware: 'uefi' }, 64 * MIB), few)).toThrow(
    '64MiB of memory are less than the firmware (uefi) needs: 128MiB',
  );
  requirePossible(hardware({}, 64 * MIB), few);
});

test.each([
  ['q35', { ...few, disks: 17 }, 'a machine of the type q35 has room for 16 disks, not for 17'],
  ['pc', { ...few, disks: 15 }, 'a machine of the type pc has room for 14 disks, not for 15'],
  ['microvm', { ...few, cards: 5 }, 'a machine of the type microvm has room for 4 network cards, not for 5'],
  ['q35', { ...few, media: 3 }, 'a machine of the type q35 has room for 2 media, not for 3'],
] as const)('%s: more devices than places are refused with the numbers', (model, devices, message) => {
  expect(() => requirePossible(hardware({ model }), devices)).toThrow(message);
});
