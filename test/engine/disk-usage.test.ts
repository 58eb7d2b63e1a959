import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { type Instance, startInstance } from './instance.ts';

interface Totals {
  readonly TotalCount: number;
  readonly ActiveCount: number;
  readonly TotalSize: number;
  readonly Reclaimable: number;
}

interface DiskUsage {
  readonly LayersSize: number;
  readonly Images: readonly {
    readonly RepoTags: readonly string[];
    readonly Size: number;
    readonly SharedSize: number;
    readonly Containers: number;
  }[];
  readonly Containers: readonly {
    readonly Names: readonly string[];
    readonly SizeRw: number;
    readonly SizeRootFs: number;
  }[];
  readonly Volumes: readonly {
    readonly Name: string;
    readonly UsageData: { readonly RefCount: number; readonly Size: number };
  }[];
  readonly BuildCache: readonly {
    readonly Size: number;
    readonly Shared: boolean;
    readonly Description: string;
  }[];
  readonly ImageUsage: Totals;
  readonly ContainerUsage: Totals;
  readonly VolumeUsage: Totals;
  readonly BuildCacheUsage: Totals;
}

const MEBIBYTE = 1024 * 1024;

/** The stage "unused" is no part of the image: only the build cache keeps its layer. */
const DOCKERFILE = `FROM busybox:latest AS unused
RUN dd if=/dev/zero of=/cached bs=1M count=4 && echo unused >/marker
FROM busybox:latest
COPY --from=unused /marker /marker
RUN dd if=/dev/zero of=/own bs=1M count=2
LABEL kind=built
`;

describe('the disk', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-disk-');
    await writeFile(`${folder}/Dockerfile`, DOCKERFILE);
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    await instance.berthOk(['build', '-q', '-t', 'built:1', folder]);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const usage = async () => (await instance.api('GET /system/df')).body as DiskUsage;
  const imageIn = ({ Images }: DiskUsage, tag: string) =>
    Images.find(({ RepoTags }) => RepoTags.includes(tag));
  const write = (mebibytes: number, path: string) =>
    `dd if=/dev/zero of=${path} bs=1M count=${mebibytes} 2>/dev/null`;
  /** What `du` says of the data root. */
  const du = async () => {
    const { stdout } = await run('du', ['-s', '-x', '--block-size=1', instance.dataRoot]);
    return Number(stdout.toString().split('\t')[0]);
  };

  it('has a layer once, however many images have it', async () => {
    const before = await usage();
    const [base, built] = [imageIn(before, 'busybox:latest'), imageIn(before, 'built:1')];
    const own = (built?.Size ?? 0) - (base?.Size ?? 0);
    expect(own).toBeGreaterThan(2 * MEBIBYTE);
    expect(built?.SharedSize).toBe(base?.Size);
    expect(base?.SharedSize).toBe(base?.Size);
    expect(before.LayersSize).toBe((base?.Size ?? 0) + own);
  });

  it('has no copy of an image for its containers, and each layer is mounted once', async () => {
    await instance.berthOk(['run', '--rm', 'built:1', 'true']);
    const before = await usage();
    const [bytes, mounts] = [await du(), await layerMounts()];
    const names = Array.from({ length: 12 }, (_, i) => `many-${i}`);
    for (const name of names)
      await instance.berthOk(['run', '-d', '--name', name, 'built:1', 'sleep', '1000']);
    const after = await usage();
    expect(after.LayersSize).toBe(before.LayersSize);
    expect(imageIn(after, 'built:1')).toMatchObject({
      Containers: 12,
      Size: imageIn(before, 'built:1')?.Size,
    });
    expect(after.ContainerUsage.TotalSize).toBeLessThan(12 * 100_000);
    expect((await du()) - bytes).toBeLessThan(12 * 200_000);
    expect(await layerMounts()).toBe(mounts);
    await instance.berthOk(['rm', '-f', ...names]);
    expect((await usage()).ContainerUsage).toMatchObject({ TotalCount: 0, TotalSize: 0 });
  });

  /** EROFS mounts of the launcher, which has them for all containers. */
  const layerMounts = async () => {
    const { stdout } = await run('ps', ['-eo', 'pid,args']);
    const line = stdout
      .toString()
      .split('\n')
      .find((one) => one.includes('berth-launcher') && one.includes(instance.execRoot));
    const mounts = await readFile(`/proc/${line?.trim().split(' ')[0]}/mountinfo`, 'utf8');
    return mounts.split('\n').filter((mount) => mount.includes(' - erofs ')).length;
  };

  it('shows what containers and volumes have written', async () => {
    await instance.berthOk(['run', '--name', 'writer', 'busybox', 'sh', '-c', write(3, '/written')]);
    const script = `${write(5, '/data/file')} && ln /data/file /data/link`;
    await instance.berthOk(['run', '--name', 'keeper', '-v', 'kept:/data', 'busybox', 'sh', '-c', script]);
    const { Containers, Volumes, ContainerUsage, VolumeUsage } = await usage();
    const writer = Containers.find(({ Names }) => Names.includes('/writer'));
    expect(writer?.SizeRw).toBeGreaterThanOrEqual(3 * MEBIBYTE);
    expect(writer?.SizeRootFs).toBeGreaterThan(writer?.SizeRw ?? 0);
    expect(Volumes).toMatchObject([{ Name: 'kept', UsageData: { RefCount: 1, Size: 5 * MEBIBYTE } }]);
    expect(ContainerUsage).toMatchObject({ TotalCount: 2, ActiveCount: 0 });
    expect(VolumeUsage).toMatchObject({ TotalCount: 1, ActiveCount: 1, Reclaimable: 0 });
    const listed = await instance.berthOk(['ps', '-a', '--size', '--format', '{{.Names}} {{.Size}}']);
    expect(listed).toMatch(/^writer 3\.15MB \(virtual 5\.\d+MB\)$/m);
    const verbose = await instance.berthOk(['system', 'df', '-v']);
    expect(verbose).toMatch(/^kept +1 +5\.243MB$/m);
    expect(verbose).toMatch(/^built +1 +\w{12} .* 0$/m);
  });

  it('adds up to what du sees below the data root, each byte by what it is for', async () => {
    const { body } = await instance.api('GET /berth/data-root');
    const { Total, Categories } = body as {
      Total: number;
      Categories: { Name: string; Size: number; Files: number }[];
    };
    expect(Total).toBe(await du());
    expect(Categories.reduce((sum, { Size }) => sum + Size, 0)).toBe(Total);
    const sizeOf = (name: string) => Categories.find(({ Name }) => Name === name)?.Size ?? 0;
    expect(sizeOf('Volumes')).toBeGreaterThanOrEqual(5 * MEBIBYTE);
    expect(sizeOf('Writable layers')).toBeGreaterThanOrEqual(3 * MEBIBYTE);
    expect(sizeOf('Build cache layers')).toBeGreaterThanOrEqual(4 * MEBIBYTE);
    expect(sizeOf('Image layers')).toBeGreaterThanOrEqual(3 * MEBIBYTE);
    expect(sizeOf('Other')).toBeLessThan(100_000);
    const text = await instance.berthOk(['system', 'df', '--explain']);
    expect(text).toMatch(/^Volumes +5\.\d+MB +1 +data of volumes/m);
    expect(text.split('\n').at(-1)).toMatch(/^Total /);
    const refused = await instance.berth(['system', 'df', '--explain', '-v']);
    expect(refused).toMatchObject({ code: 1, stderr: '--explain and --verbose exclude each other\n' });
  });

  it('is what prunes say that they have freed', async () => {
    const reclaimed = async (command: readonly string[]) => {
      const output = await instance.berthOk([...command, '--force']);
      return output.split('\n').at(-1);
    };
    const before = await usage();
    expect(before.BuildCacheUsage.Reclaimable).toBeGreaterThan(4 * MEBIBYTE);
    expect(await reclaimed(['builder', 'prune'])).toBe(
      `Total reclaimed space: ${Number((before.BuildCacheUsage.Reclaimable / 1e6).toPrecision(4))}MB`,
    );
    expect((await usage()).BuildCacheUsage).toMatchObject({ TotalSize: 0, Reclaimable: 0 });
    const { ContainerUsage } = await usage();
    expect(await reclaimed(['container', 'prune', '--filter', 'until=1h'])).toBe('Total reclaimed space: 0B');
    expect(await reclaimed(['container', 'prune'])).toBe(
      `Total reclaimed space: ${Number((ContainerUsage.Reclaimable / 1e6).toPrecision(4))}MB`,
    );
    expect((await usage()).VolumeUsage.Reclaimable).toBe(5 * MEBIBYTE);
    expect(await reclaimed(['volume', 'prune'])).toBe('Total reclaimed space: 0B'); // it has a name
    expect(await reclaimed(['volume', 'prune', '-a'])).toBe('Total reclaimed space: 5.243MB');
    expect(await reclaimed(['image', 'prune'])).toBe('Total reclaimed space: 0B'); // all have names
    await instance.berthOk(['create', '--name', 'user', 'busybox']);
    const { ImageUsage } = await usage();
    expect(ImageUsage).toMatchObject({ TotalCount: 2, ActiveCount: 1 });
    expect(await reclaimed(['image', 'prune', '-a'])).toBe(
      `Total reclaimed space: ${Number((ImageUsage.Reclaimable / 1e6).toPrecision(4))}MB`,
    );
    expect(await usage()).toMatchObject({
      ImageUsage: { TotalCount: 1, ActiveCount: 1, Reclaimable: 0 },
      BuildCacheUsage: { TotalSize: 0 },
    });
  });

  it('is cleaned by system prune of all that is unused, and of nothing else', async () => {
    await instance.berthOk(['build', '-q', '-t', 'built:1', folder]);
    await instance.berthOk(['network', 'create', 'unused-network']);
    await instance.berthOk(['volume', 'create', 'named']);
    await instance.berthOk(['volume', 'create']);
    await instance.berthOk(['run', '-d', '--name', 'runs', 'busybox', 'sleep', '1000']);
    const refused = await instance.berth(['system', 'prune', '--volumes', '--filter', 'until=1h', '-f']);
    expect(refused.stderr).toContain('"until" is not supported with --volumes');
    const asked = await instance.berth(['system', 'prune', '-a', '--filter', 'label!=keep'], {
      input: 'n\n',
    });
    expect(asked.stdout).toContain('  - all networks not used by at least one container\n');
    expect(asked.stdout).toContain('Items to be pruned will be filtered with:\n  - label!=keep\n');
    const labelled = await instance.berthOk([
      'system',
      'prune',
      '-a',
      '-f',
      '--filter',
      'label=nobody-has-this',
    ]);
    expect(labelled).toBe('Total reclaimed space: 0B');
    const output = await instance.berthOk(['system', 'prune', '-a', '-f', '--volumes']);
    expect(output).toMatch(/^Deleted Networks:\nunused-network$/m);
    expect(output).toMatch(/^Deleted Images:\nuntagged: built:1$/m);
    expect(output).toMatch(/^Deleted build cache objects:\n[0-9a-f]{64}$/m);
    expect(await instance.berthOk(['volume', 'ls', '-q'])).toBe('named');
    expect(await instance.berthOk(['ps', '-a', '--format', '{{.Names}}'])).toBe('runs');
    expect(await instance.berthOk(['images', '--format', '{{.Repository}}'])).toBe('busybox');
    await instance.berthOk(['rm', '-f', 'runs']);
    await instance.berthOk(['system', 'prune', '-a', '-f']);
    for (const place of ['blobs/sha256', 'layers', 'tmp'])
      expect(await readdir(`${instance.dataRoot}/${place}`)).toEqual([]);
  });
});
