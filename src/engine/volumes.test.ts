import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DocumentStore } from '../store/index.ts';
import { Events } from './events.ts';
import { Volumes } from './volumes.ts';

/** Documents in memory. */
function documentStore(): DocumentStore {
  const documents = new Map<string, unknown>();
  return {
    all: <T>() => [...documents].map(([key, document]) => ({ key, document: document as T })),
    get: <T>(_collection: string, key: string) => documents.get(key) as T | undefined,
    put: (_collection, key, document) => void documents.set(key, document),
    delete: (_collection, key) => void documents.delete(key),
    transaction: (work) => work(),
    buffered: (work) => work(),
  };
}

describe('a volume that a container is made with', () => {
  let folder: string;
  let volumes: Volumes;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-volumes-'));
    const launcher = { removeTree: (path: string) => rm(path, { recursive: true, force: true }) };
    volumes = new Volumes({ documents: documentStore(), launcher, events: new Events() }, folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is not removed before its record is there, nor after', async () => {
    const recorded: string[] = [];
    const usersOf = () => recorded;
    await volumes.create({ name: 'data' }, 'c1');
    const refused = {
      kind: 'conflict',
      message: expect.stringContaining('remove data: volume is in use - [c1]'),
    };
    await expect(volumes.remove('data', usersOf)).rejects.toMatchObject(refused);
    recorded.push('c1');
    volumes.release('c1');
    await expect(volumes.remove('data', usersOf)).rejects.toMatchObject(refused);
    recorded.pop();
    await volumes.remove('data', usersOf);
    expect(volumes.list()).toEqual([]);
  });

  test('is made anew when a removal was first, and kept when the removal comes later', async () => {
    await volumes.create({ name: 'data' });
    const removal = volumes.remove('data', () => []);
    const creation = volumes.create({ name: 'data' }, 'c1');
    const late = volumes.remove('data', () => []);
    await removal;
    await creation;
    await expect(late).rejects.toMatchObject({ kind: 'conflict' });
    expect(volumes.list()).toHaveLength(1);
  });

  test('that another container has is reserved, too', async () => {
    const { name } = await volumes.create({ name: '' });
    volumes.reserve(name, 'c2');
    await expect(volumes.remove(name, () => [])).rejects.toThrow('volume is in use - [c2]');
    volumes.release('c2');
    await volumes.remove(name, () => []);
  });
});
