import { expect, test } from 'vitest';
import { layoutOf, requireSameComputer } from './layout.ts';
import { testCard, testGround, testRequest } from './testing/requests.ts';

const MIB = 1024 ** 2;
const hardware = testRequest().hardware;

test('devices have their places in their order, and there is room for what may come', () => {
  expect(layoutOf(testRequest(), testGround)).toEqual({
    version: 1,
    hypervisor: '7.2.22',
    accelerator: 'tcg',
    model: 'q35',
    firmware: 'bios',
    places: { cards: 3, disks: 6, media: 1 },
    processors: { present: 2, most: 4 },
    memory: { start: 1024 * MIB, more: 7168 * MIB },
    disks: [
      { name: 'root', place: 0 },
      { name: 'data', place: 1 },
    ],
    readOnlyDisks: [{ name: 'seed', place: 0 }],
    drives: ['iso'],
    cards: [{ name: '02:42:0a:00:00:02', place: 0, mtu: 1500 }],
  });
});

test('a microvm has what it starts with', () => {
  const request = testRequest({ hardware: { ...hardware, model: 'microvm' } });
  const { processors, memory } = layoutOf(request, testGround);
  expect(processors).toEqual({ present: 2, most: 2 });
  expect(memory).toEqual({ start: 1024 * MIB, more: 0 });
});

test('more memory comes in blocks that Linux takes', () => {
  const request = testRequest({
    hardware: { ...hardware, allotment: { processors: 1, memory: 8000 * MIB } },
  });
  expect(layoutOf(request, testGround).memory.more).toBe(128 * MIB);
  const all = testRequest({ hardware: { ...hardware, allotment: { processors: 1, memory: 8192 * MIB } } });
  expect(layoutOf(all, testGround).memory.more).toBe(0);
});

test('a snapshot goes on in the same computer, whatever amounts it has now', () => {
  const saved = layoutOf(testRequest(), testGround);
  const more = { ...hardware, allotment: { processors: 3, memory: 2048 * MIB } };
  requireSameComputer(saved, testRequest({ hardware: more }), testGround);
});

test.each([
  ['QEMU', { hypervisor: '9.0.0' }, {}, 'QEMU 7.2.22, and this one has 9.0.0'],
  ['accelerator', { accelerator: 'kvm' as const }, {}, 'the accelerator tcg, and this one has kvm'],
  ['type', {}, { hardware: { ...hardware, model: 'pc' as const } }, 'the type q35, and this one has pc'],
  ['disks', {}, { disks: [] }, 'the disks data root, and this one has none'],
  ['media', {}, { media: [] }, 'the media seed iso, and this one has none'],
  [
    'cards',
    {},
    { cards: [testCard('02:42:0a:00:00:03')] },
    'the network cards 02:42:0a:00:00:02, and this one has 02:42:0a:00:00:03',
  ],
])('a snapshot of another computer is refused: %s', (_, ground, changes, message) => {
  const saved = layoutOf(testRequest(), testGround);
  expect(() => requireSameComputer(saved, testRequest(changes), { ...testGround, ...ground })).toThrow(
    expect.objectContaining({
      kind: 'conflict',
      message: `the snapshot is of a machine with ${message}`,
    }),
  );
});
