import { describe, expect, it } from 'vitest';
import { conflict, internal } from '../base/index.ts';
import type { PrunedCache } from '../build/index.ts';
import { Pruning, type PruningParts } from './prune.ts';
import type { Volume } from './volumes.ts';

const refused = () => Promise.reject(internal('no test here asks for it'));

const volume = (name: string, anonymous: boolean): Volume => ({
  name,
  createdAt: '2024-01-01T00:00:00Z',
  labels: {},
  anonymous,
  mountpoint: '/nowhere',
});

/** An engine without anything, but for what a test gives it. */
function pruning(given: Partial<PruningParts>): Pruning {
  return new Pruning({
    store: { spaceFreed: async () => {} },
    events: { emit: () => {} },
    containers: {
      list: () => [],
      remove: refused,
      writtenSize: refused,
      imageUsers: () => [],
      volumeUsers: () => [],
      networkUsers: () => [],
    },
    images: { list: async () => [], delete: refused },
    networks: { list: () => [], remove: refused },
    volumes: { list: () => [], remove: refused },
    builder: { prune: refused },
    machines: { prune: async () => 0 },
    ...given,
  });
}

const everything = { hasLabels: () => true };

describe('a prune', () => {
  it('is refused while the same one goes on, and possible again afterwards', async () => {
    const going = Promise.withResolvers<PrunedCache>();
    const prune = pruning({ builder: { prune: () => going.promise } });
    const first = prune.buildCache({ all: true });
    await expect(prune.buildCache({ all: true })).rejects.toMatchObject({
      kind: 'conflict',
      message: 'a prune operation is already running',
    });
    await expect(prune.containers(everything)).resolves.toEqual({ deleted: [], reclaimed: 0 });
    going.resolve({ deletedLayers: [], reclaimed: 7 });
    expect(await first).toEqual({ deletedLayers: [], reclaimed: 7 });
    expect(await prune.buildCache({ all: true })).toMatchObject({ reclaimed: 7 });
  });

  it('leaves what somebody uses by then, and goes on; any other failure ends it', async () => {
    const removed: string[] = [];
    const remove = async (name: string) => {
      if (name === 'used') throw conflict('remove used: volume is in use');
      removed.push(name);
    };
    const list = () => [volume('used', true), volume('named', false), volume('unused', true)];
    const selection = { ...everything, all: false };
    const { deleted } = await pruning({ volumes: { list, remove } }).volumes(selection);
    expect(deleted).toEqual(['unused']);
    expect(removed).toEqual(['unused']);
    await expect(pruning({ volumes: { list, remove: refused } }).volumes(selection)).rejects.toThrow(
      'no test here asks for it',
    );
  });

  it('tells how much it has freed', async () => {
    const told: unknown[][] = [];
    const events = { emit: (...event: unknown[]) => void told.push(event) };
    const builder = { prune: async () => ({ deletedLayers: [], reclaimed: 7 }) };
    await pruning({ events, builder }).buildCache({ all: false });
    expect(told).toEqual([['builder', 'prune', '', { reclaimed: '7' }]]);
  });
});
