import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveOfManyLayers, LAYERS } from '../fixtures/many-layers.ts';
import { type Instance, startInstance } from './instance.ts';

/** As Linux before 6.5 joins layers (mount(2), whose options end at one page) and before 6.12 mounts images (loop devices). */
const OLD_MOUNT_API = { BERTH_ROOT_JOIN: 'mount', BERTH_LAYER_MOUNT: 'loop' };

describe.each([
  ['of this kernel', {}],
  ['of old kernels', OLD_MOUNT_API],
])(`an image of ${LAYERS} layers, by the mount API %s,`, (_, env) => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp('/tmp/berth-layers-');
    await writeFile(`${folder}/many.tar`, await archiveOfManyLayers());
    instance = await startInstance({ env });
    await instance.berthOk(['load', '-q', '-i', `${folder}/many.tar`]);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('runs, each layer over the one below', async () => {
    const script = '/busybox cat /latest; /busybox ls /layers | /busybox wc -l';
    const output = await instance.berthOk(['run', '--rm', 'many', '/busybox', 'sh', '-c', script]);
    expect(output).toBe(`${LAYERS - 1}${LAYERS - 1}`);
  });

  it('is mounted once for all of its containers, which add no copy of it', async () => {
    for (const name of ['one', 'two', 'three', 'four']) {
      await instance.berthOk(['run', '-d', '--name', name, 'many', '/busybox', 'sleep', '1000']);
    }
    expect(await erofsMounts(instance)).toBe(LAYERS);
    const { Containers } = (await instance.api('GET /system/df')).body as {
      Containers: { SizeRw?: number }[];
    };
    const written = Containers.map(({ SizeRw = 0 }) => SizeRw);
    expect(written).toHaveLength(4);
    expect(Math.max(...written)).toBeLessThan(100_000); // the folders of /dev, /proc and the like
    await instance.berthOk(['rm', '-f', 'one', 'two', 'three', 'four']);
    await instance.berthOk(['rmi', 'many']);
    expect(await erofsMounts(instance)).toBe(0);
  });
});

/** What the launcher holds; supervisors see joined roots only. */
async function erofsMounts({ execRoot }: Instance): Promise<number> {
  const pid = (await readFile(`${execRoot}/l.pid`, 'utf8')).trim();
  const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8');
  return mounts.split('\n').filter((line) => line.includes(execRoot) && line.includes(' - erofs ')).length;
}
