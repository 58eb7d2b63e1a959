import { expect, test } from 'vitest';
import {
  freePlace,
  type PlaceKind,
  placeAt,
  placeOptions,
  placesAmong,
  placesFor,
  placesOf,
  portArguments,
} from './places.ts';

const models = ['q35', 'pc', 'microvm'] as const;

function allPlaces(model: (typeof models)[number]): string[] {
  const { cards, disks, media } = placesOf(model);
  const counts: [PlaceKind, number][] = [
    ['card', cards],
    ['disk', disks],
    ['read-only-disk', media],
  ];
  return counts.flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, place) => JSON.stringify(placeOptions(model, kind, place))),
  );
}

test.each(models)('%s: no two devices have the same place', (model) => {
  const all = allPlaces(model);
  expect(new Set(all).size).toBe(all.length);
});

test('each place of q35 is a port that there is', () => {
  const ports = portArguments('q35', placesOf('q35')).flatMap(
    (word) => /id=(port\d+),/.exec(word)?.[1] ?? [],
  );
  expect(allPlaces('q35')).toEqual(ports.map((bus) => JSON.stringify({ bus })));
});

test("pc's places are on its one bus, which ends at slot 31", () => {
  expect(allPlaces('pc').at(0)).toBe('{"bus":"pci.0","addr":"0x8"}');
  expect(allPlaces('pc').at(-1)).toBe('{"bus":"pci.0","addr":"0x1f"}');
});

test('the first free place is taken, if there is one', () => {
  const taken = [0, 2].map((place) => ({ place }));
  expect(freePlace(3, [])).toBe(0);
  expect(freePlace(3, taken)).toBe(1);
  expect(freePlace(3, [...taken, { place: 1 }])).toBeUndefined();
});

test.each(models)('%s: a place is known by where its device is', (model) => {
  const { bus = '', addr = '0' } = placeOptions(model, 'disk', 3);
  expect(placeAt(model, 'disk', `/machine/x/${bus}`, Number(addr) * 8)).toBe(3);
  expect(placeAt(model, 'read-only-disk', `/machine/x/${bus}`, Number(addr) * 8)).toBeUndefined();
});

test('q35 has some more places than devices, and no more than there can be', () => {
  expect(placesFor('q35', { cards: 1, disks: 2, media: 1 })).toEqual({ cards: 3, disks: 6, media: 1 });
  expect(placesFor('q35', { cards: 7, disks: 16, media: 2 })).toEqual({ cards: 8, disks: 16, media: 2 });
});

test.each(models)('%s: places are known by the devices that there are', (model) => {
  const counts = placesFor(model, { cards: 1, disks: 2, media: 1 });
  const ids = portArguments(model, counts).flatMap((word) => /id=(port\d+),/.exec(word)?.[1] ?? []);
  expect(placesAmong(model, ['disk-root', 'more-memory', ...ids])).toEqual(counts);
});
