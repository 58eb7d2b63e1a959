import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry, type TestRegistry } from '../fixtures/registry.ts';
import { type Instance, startInstance } from './instance.ts';

describe('with --discard-blobs', () => {
  let instance: Instance;
  let registry: TestRegistry;
  let host: string;
  let context: string;
  beforeAll(async () => {
    registry = await startRegistry('empty');
    host = new URL(registry.url).host;
    instance = await startInstance({ args: ['--discard-blobs'] });
    context = await mkdtemp('/tmp/berth-discard-');
    await writeFile(`${context}/Dockerfile`, 'FROM busybox\nCOPY Dockerfile /copied\n');
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(context, { recursive: true });
  });

  /** The largest is a config or manifest, of some kilobytes, where no layer is kept. */
  const largestBlob = async () => {
    const folder = `${instance.dataRoot}/blobs/sha256`;
    const sizes = (await readdir(folder)).map(async (name) => (await stat(`${folder}/${name}`)).size);
    return Math.max(...(await Promise.all(sizes)));
  };
  const digestIn = (output: string) => /sha256:[0-9a-f]{64}/.exec(output)?.[0];

  it('a pull keeps no compressed layer, and its image runs', async () => {
    expect(await largestBlob()).toBeLessThan(10_000);
    expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'works'])).toBe('works');
    expect(await instance.berthOk(['pull', 'busybox'])).toContain('Image is up to date');
    expect(await instance.berthOk(['system', 'df'])).toContain('Images');
  });

  it('a check still finds a damaged layer, and fetches its blob to make it again', async () => {
    expect(await instance.berthOk(['system', 'check'])).toContain('no damage');
    const [layer] = await readdir(`${instance.dataRoot}/layers`);
    await using file = await open(`${instance.dataRoot}/layers/${layer}`, 'r+');
    await file.write(Buffer.alloc(100, 1), 0, 100, 100_000);
    expect(await instance.berthOk(['system', 'check', '--repair'])).toContain(
      'it is no longer as it was unpacked: repaired',
    );
    expect(await instance.berthOk(['system', 'check'])).toContain('no damage');
    expect(await largestBlob()).toBeLessThan(10_000);
  });

  it('a push packs a layer that was made here again, and to the same bytes each time', async () => {
    await writeFile(`${context}/Scratch`, 'FROM scratch\nCOPY Dockerfile /copied\n');
    const name = `${host}/made`;
    await instance.berthOk(['build', '-t', name, '-f', `${context}/Scratch`, context]);
    const first = await instance.berthOk(['push', name]);
    expect(await largestBlob()).toBeLessThan(10_000);
    await instance.berthOk(['tag', name, `${host}/elsewhere`]);
    expect(digestIn(await instance.berthOk(['push', `${host}/elsewhere`]))).toBe(digestIn(first));
    expect(await instance.berthOk(['push', name])).toContain('Layer already exists');
  });

  it('a push of a layer that others made says that it has to be pulled again, unless the registry has it', async () => {
    await instance.berthOk(['tag', 'busybox', `${host}/theirs`]);
    const { code, stderr } = await instance.berth(['push', `${host}/theirs`]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/the tar of layer .* is no longer there/)]);
    await instance.killDaemon();
    await instance.startDaemon({}, []);
    await instance.berthOk(['rmi', `${host}/theirs`, 'busybox']);
    await instance.berthOk(['pull', '-q', 'busybox']);
    await instance.berthOk(['tag', 'busybox', `${host}/theirs`]);
    const kept = digestIn(await instance.berthOk(['push', `${host}/theirs`]));
    await instance.killDaemon();
    await instance.startDaemon();
    await instance.berthOk(['rmi', `${host}/theirs`, 'busybox']);
    await instance.berthOk(['pull', '-q', `${host}/theirs`]);
    expect(await largestBlob()).toBeLessThan(10_000);
    expect(digestIn(await instance.berthOk(['push', `${host}/theirs`]))).toBe(kept);
  });
});
