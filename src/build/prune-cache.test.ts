import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestBuilder } from './testing/test-builder.ts';

describe('the build cache', () => {
  let berth: TestBuilder;
  beforeEach(async () => {
    berth = await TestBuilder.create();
  });
  afterEach(() => berth[Symbol.asyncDispose]());

  /** A build that fails after its step: only the cache keeps what that has made. */
  const keep = async (name: string) => {
    const dockerfile = `FROM busybox\nRUN echo ${name} >/${name}\nRUN exit 1\n`;
    await expect(berth.build(dockerfile)).rejects.toThrow();
  };
  const ownLayers = async () =>
    (await berth.builder.cachedLayers())
      .filter(({ shared }) => !shared)
      .map(({ description }) => /echo (\w+)/.exec(description)?.[1]);
  const stepsRun = async (dockerfile: string) => {
    berth.steps.length = 0;
    await berth.build(dockerfile);
    return berth.steps.length;
  };

  test('lists its layers, the oldest first, by the steps that made them', async () => {
    await keep('first');
    await keep('second');
    expect(await ownLayers()).toEqual(['first', 'second']);
    const layers = await berth.builder.cachedLayers();
    expect(layers.every(({ created }) => !Number.isNaN(Date.parse(created)))).toBe(true);
    expect(layers.find(({ description }) => description.includes('first'))).toMatchObject({ size: 6 });
  });

  test('keeps the newest up to a size', async () => {
    await keep('first');
    await keep('second');
    const { reclaimed, deletedLayers } = await berth.builder.prune({ all: true, keep: 7 });
    expect([reclaimed, deletedLayers.length]).toEqual([6, 1]); // "first" and its end of line
    expect(await ownLayers()).toEqual(['second']);
  });

  test('keeps what is not older than a moment', async () => {
    await keep('first');
    const none = await berth.builder.prune({ all: true, until: new Date(0) });
    expect(none).toEqual({ deletedLayers: [], reclaimed: 0 });
    expect(await ownLayers()).toEqual(['first']);
    expect(await berth.builder.prune({ all: true, until: new Date(Date.now() + 60_000) })).toMatchObject({
      reclaimed: 6,
    });
    expect(await ownLayers()).toEqual([]);
  });

  test('keeps the steps of images, unless all are to go', async () => {
    const dockerfile = 'FROM busybox\nRUN echo kept >/kept\n';
    const { image } = await berth.build(dockerfile);
    expect(await berth.builder.prune({ all: false })).toMatchObject({ reclaimed: 0 });
    expect(await stepsRun(dockerfile)).toBe(0);
    expect(await berth.builder.prune({ all: true })).toMatchObject({ reclaimed: 0 });
    expect(await berth.store.images.get(image.id)).toBeDefined();
    expect(await stepsRun(dockerfile)).toBe(1);
  });
});
