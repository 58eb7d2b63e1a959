import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pushImage } from '../../scripts/stand-in/distribution.ts';
import { run } from '../../src/base/index.ts';
import { startRegistry, type TestRegistry } from '../fixtures/registry.ts';
import { layerOf } from '../fixtures/served-images.ts';

const BERTH = `${import.meta.dirname}/../../bin/berth`;
/** No engine is asked: none is there. */
const DOCKER_HOST = 'unix:///nonexistent/engine.sock';

describe('a manifest list', () => {
  let registry: TestRegistry;
  let host: string;
  let folder: string;
  beforeAll(async () => {
    registry = await startRegistry('empty');
    host = new URL(registry.url).host;
    folder = await mkdtemp('/tmp/berth-manifest-');
    for (const architecture of ['amd64', 'arm64']) {
      await pushImage({
        repository: `${registry.url}/v2/app/${architecture}`,
        tags: ['1'],
        layer: Readable.from([await layerOf('name', architecture)]),
        config: (diffId) => ({
          architecture,
          os: 'linux',
          config: {},
          rootfs: { type: 'layers', diff_ids: [diffId] },
        }),
      });
    }
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const manifest = async (...args: string[]) => {
    const env = { ...process.env, DOCKER_HOST, DOCKER_CONFIG: folder };
    const { code, stdout, stderr } = await run(BERTH, ['manifest', ...args], { env });
    return { code, out: stdout.toString().trim(), said: stderr.trim() };
  };
  const [amd, arm] = ['amd64', 'arm64'].map((name) => () => `${host}/app/${name}:1`) as [
    () => string,
    () => string,
  ];
  const list = () => `${host}/app/all:1`;
  const platforms = async (name: string) =>
    (
      JSON.parse((await manifest('inspect', name)).out) as { manifests: { platform: object }[] }
    ).manifests.map(({ platform }) => platform);

  it('is made of images, one after the other, and kept as Docker keeps it', async () => {
    expect(await manifest('create', list(), amd())).toEqual({
      code: 0,
      out: `Created manifest list ${list()}`,
      said: '',
    });
    expect(await manifest('create', list(), arm())).toMatchObject({
      code: 1,
      said: 'refusing to amend an existing manifest list with no --amend flag',
    });
    expect((await manifest('create', '--amend', list(), arm())).code).toBe(0);
    expect(await platforms(list())).toEqual([
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ]);
    const port = host.replace(':', '-');
    const kept = `${folder}/manifests/${port}_app_all-1`;
    expect(await readdir(kept)).toEqual([`${port}_app_amd64-1`, `${port}_app_arm64-1`]);
    const entry = JSON.parse(await readFile(`${kept}/${port}_app_amd64-1`, 'utf8'));
    expect(entry).toMatchObject({
      Ref: amd(),
      Descriptor: { platform: { architecture: 'amd64', os: 'linux' } },
      SchemaV2Manifest: { layers: [{ digest: expect.any(String) }] },
    });
    expect(JSON.parse((await manifest('inspect', '-v', list(), amd())).out)).toEqual(entry);
  });

  it('says more of an image when it is told to', async () => {
    const annotate = ['annotate', '--variant', 'v8', '--os-version', '1', '--os-features', 'a,b'];
    expect(await manifest(...annotate, list(), arm())).toEqual({ code: 0, out: '', said: '' });
    expect((await platforms(list()))[1]).toEqual({
      architecture: 'arm64',
      os: 'linux',
      'os.version': '1',
      'os.features': ['a', 'b'],
      variant: 'v8',
    });
    expect(await manifest('annotate', '--arch', 'toaster', list(), arm())).toMatchObject({
      code: 1,
      said: 'manifest entry for image has unsupported os/arch combination: linux/toaster',
    });
    expect((await manifest('annotate', '--arch', 'arm', list(), `${host}/app/none:1`)).said).toBe(
      `manifest for image ${host}/app/none:1 does not exist in ${list()}`,
    );
  });

  it('is pushed with its images, and then is what the registry has', async () => {
    const kept = await manifest('inspect', list());
    const pushed = await manifest('push', '--purge', list());
    expect(pushed.code).toBe(0);
    const lines = pushed.out.split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(new RegExp(`^Pushed ref ${host}/app/all@(sha256:\\w+) with digest: \\1$`));
    expect(lines[2]).toMatch(/^sha256:[0-9a-f]{64}$/);
    const response = await fetch(`${registry.url}/v2/app/all/manifests/${lines[2]}`, {
      headers: { accept: 'application/vnd.docker.distribution.manifest.list.v2+json' },
    });
    expect(await response.text()).toBe(kept.out);
    expect(await readdir(`${folder}/manifests`)).toEqual([]);
    expect(await manifest('inspect', list())).toEqual(kept);
    const all = JSON.parse((await manifest('inspect', '-v', list())).out) as { Ref: string }[];
    expect(all.map(({ Ref }) => Ref.split('@')[0])).toEqual([list(), list()]);
  });

  it('is not made of what is none, or missing, or elsewhere', async () => {
    const other = `${host}/app/other:1`;
    expect((await manifest('create', other, list())).said).toBe(`${list()} is a manifest list`);
    expect((await manifest('create', other, `${host}/app/none:1`)).said).toMatch(
      new RegExp(`^no such manifest: ${host}/app/none:1 \\(manifest for .* not found`),
    );
    expect((await manifest('create', other)).said).toContain('requires at least 2 arguments');
    expect((await manifest('push', other)).said).toBe(`No such manifest: ${other}`);
    expect(await manifest('rm', other)).toEqual({ code: 1, out: '', said: `No such manifest: ${other}` });
    const elsewhere = 'registry.invalid/app:1';
    expect((await manifest('create', elsewhere, amd())).code).toBe(0);
    expect((await manifest('push', elsewhere)).said).toBe(
      `cannot use source images from a different registry than the target image: ${host} != registry.invalid`,
    );
    expect(await manifest('rm', elsewhere)).toEqual({ code: 0, out: '', said: '' });
  });
});
