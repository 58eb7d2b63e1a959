import { expect, it } from 'vitest';
import { invalid, unavailable } from '../../../base/index.ts';
import type { BuiltSource, DiskImages, ImageSource, TakenImage } from '../disks/contract.ts';
import { BuiltDebian } from './built-debian.ts';
import type { SystemBuilder } from './system-builder.ts';

const DAY = 24 * 3_600_000;

/** A store that only remembers names, and a builder whose systems are called by numbers. */
function parts(failure?: Error) {
  const kept = new Map<string, TakenImage['image']>();
  const built: string[] = [];
  const held = { count: 0 };
  const lease = (image: TakenImage['image']): TakenImage => {
    held.count += 1;
    return { image, warnings: [], [Symbol.dispose]: () => (held.count -= 1) };
  };
  const images: Pick<DiskImages, 'take' | 'named'> = {
    named: async (name) => {
      const image = kept.get(name);
      return image && lease(image);
    },
    take: async (source: ImageSource) => {
      const { name, path, format } = source as BuiltSource;
      const facts = { digest: 'sha256:0', virtualSize: 1, source: name } as const;
      const image = { ...facts, name: path, path, format, createdAt: new Date() } as TakenImage['image'];
      kept.set(name, image);
      return lease(image);
    },
  };
  const builder: SystemBuilder = {
    build: async ({ codename }, _, use) => {
      if (failure !== undefined && kept.size > 0) throw failure;
      built.push(codename);
      return use(`${codename}-${built.length}`);
    },
  };
  const age = (days: number) => {
    for (const [name, image] of kept)
      kept.set(name, { ...image, createdAt: new Date(Date.now() - days * DAY) });
  };
  return { debian: new BuiltDebian(images, builder), built, held, age };
}

it('a release is made once, whatever name it is asked by', async () => {
  const { debian, built } = parts();
  await Promise.all([debian.provide('bookworm'), debian.provide('12'), debian.provide('trixie')]);
  expect(built.toSorted()).toEqual(['bookworm', 'trixie']);
});

it('the newest stable release is the one of nobody who names one', async () => {
  const { debian, built } = parts();
  await debian.provide('');
  expect(built).toEqual(['trixie']);
});

it('a system is made anew after a week', async () => {
  const { debian, age, held } = parts();
  await debian.provide('bookworm');
  age(6.9);
  expect((await debian.provide('bookworm')).image.name).toBe('bookworm-1');
  age(7.1);
  expect((await debian.provide('bookworm')).image.name).toBe('bookworm-2');
  expect(held.count).toBe(3); // the three that were given out
});

it('an old system is used, with a warning, where it cannot be made anew', async () => {
  const { debian, age } = parts(unavailable('the archive does not answer'));
  await debian.provide('bookworm');
  age(8);
  const { image, warnings } = await debian.provide('bookworm');
  expect(image.name).toBe('bookworm-1');
  expect(warnings).toEqual([expect.stringMatching(/bookworm is as of .* the archive does not answer/)]);
});

it('another failure is not hidden, and holds nothing', async () => {
  const { debian, age, held } = parts(invalid('a bug'));
  (await debian.provide('bookworm'))[Symbol.dispose]();
  age(8);
  await expect(debian.provide('bookworm')).rejects.toThrow('a bug');
  expect(held.count).toBe(0);
});

it('a release that there is not is refused, with those that there are', async () => {
  const { debian } = parts();
  await expect(debian.provide('buster')).rejects.toMatchObject({
    kind: 'invalid',
    message: 'berth makes no Debian systems of a release "buster"',
    hint: expect.stringContaining('bookworm (12), trixie (13)'),
  });
});
