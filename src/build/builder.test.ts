import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingForBuilds, TestBuilder } from './testing/test-builder.ts';

const missing = missingForBuilds();

describe.skipIf(missing !== undefined)(`builds (needs ${missing ?? 'what is here'})`, () => {
  let berth: TestBuilder;
  beforeAll(async () => {
    berth = await TestBuilder.create();
  });
  afterAll(() => berth[Symbol.asyncDispose]());

  test('works', async () => {
    const { image, output } = await berth.build(
      'FROM busybox\nWORKDIR /app\nCOPY f .\nRUN echo hi && cat f > g\nCMD cat g\n',
      { files: { f: 'text' } },
    );
    const again = await berth.build(
      'FROM busybox\nWORKDIR /app\nCOPY f .\nRUN echo hi && cat f > g\nCMD cat g\n',
      { files: { f: 'text' } },
    );
    expect(again.image.id).toBe(image.id);
    expect(await berth.leftovers()).toEqual([]);
  });
});
