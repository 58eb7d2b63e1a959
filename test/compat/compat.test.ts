import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from '../engine/instance.ts';
import { startRegistry, type TestRegistry } from '../fixtures/registry.ts';
import { acceptedDifferences } from './accepted-differences.ts';
import { differences } from './compare.ts';
import { record } from './record.ts';
import type { Recorded } from './script.ts';
import { scripts } from './scripts/index.ts';

describe('berthd answers as dockerd does', () => {
  let instance: Instance;
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
    instance = await startInstance();
    await instance.berthOk(['pull', 'busybox:latest']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  for (const script of scripts) {
    it(`to the requests of "${script.name}"`, async () => {
      const golden = JSON.parse(
        await readFile(`${import.meta.dirname}/golden/${script.name}.json`, 'utf8'),
      ) as Recorded[];
      const actual = await record(instance.socketPath, script, new URL(registry.url).host);
      expect(differences(script.name, golden, actual, acceptedDifferences)).toEqual([]);
    });
  }
});
