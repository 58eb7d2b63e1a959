import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry, type TestRegistry } from '../fixtures/registry.ts';
import { type Instance, startInstance } from './instance.ts';

/** Deletions, a replaced folder, a link, owners. */
const DOCKERFILE = `FROM busybox
RUN mkdir -p /data/old && echo one > /data/old/file && echo two > /data/file && ln /data/file /data/link
RUN rm -r /data/old && mkdir /data/old && echo new > /data/old/new && rm /bin/wget && chown 70000:7 /data/link
`;

describe('on layers that are folders, as where the kernel has no EROFS,', () => {
  let instance: Instance;
  let registry: TestRegistry;
  let folder: string;
  beforeAll(async () => {
    registry = await startRegistry('empty');
    instance = await startInstance({ args: ['--layer-format', 'folder'] });
    folder = await mkdtemp('/tmp/berth-folder-');
    await writeFile(`${folder}/Dockerfile`, DOCKERFILE);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const layers = async () => (await readdir(`${instance.dataRoot}/layers`)).sort();

  it('an image is pulled and a container runs', async () => {
    await instance.berthOk(['pull', '-q', 'busybox']);
    expect(await layers()).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    const script = 'echo works; touch /bin/busybox.new; grep -c overlay /proc/mounts';
    expect(await instance.berthOk(['run', '--rm', 'busybox', 'sh', '-c', script])).toBe('works\n1');
  });

  it('info names what is really there: the format of layers, the drivers of networks and logs', async () => {
    const { body } = await instance.api('GET /info');
    expect(body).toMatchObject({
      DriverStatus: [['Layer format', 'folders']],
      Plugins: {
        Network: ['bridge', 'macvlan', 'host', 'none'],
        Log: ['json-file', 'local', 'none', 'syslog', 'journald'],
      },
    });
  });

  it('an image is built, pushed, removed and pulled again, with all that its layers hide', async () => {
    const before = await layers();
    const name = `${new URL(registry.url).host}/built`;
    await instance.berthOk(['build', '-t', name, folder]);
    const look = ['run', '--rm', name, 'sh', '-c', 'cd /data; ls *; ls -ln link; ls /bin/wget'];
    const seen = await instance.berth(look);
    expect(seen.stdout).toMatch(/^file\nlink\n\nold:\nnew\n-rw-r--r-- +1 70000 +7 .* link\n$/);
    expect(seen.stderr).toContain('/bin/wget: No such file');
    await instance.berthOk(['push', name]);
    await instance.berthOk(['rmi', name]);
    expect(await layers()).toEqual(before);
    await instance.berthOk(['pull', '-q', name]);
    expect(await instance.berth(look)).toEqual(seen);
    await instance.berthOk(['rmi', name]);
  });

  it('what images were there before is used as it is, by a daemon that makes images', async () => {
    const other = await startInstance({ dataRoot: `${folder}/data`, args: ['--layer-format', 'folder'] });
    await using _other = other;
    await other.berthOk(['pull', '-q', 'busybox']);
    await other.killDaemon();
    await other.startDaemon({}, ['--layer-format', 'erofs']);
    await other.berthOk(['build', '-t', 'mixed', folder]);
    expect(await other.berthOk(['run', '--rm', 'mixed', 'cat', '/data/file'])).toBe('two');
    const formats = (await readdir(`${folder}/data/layers`)).map((layer) => layer.slice(64)).sort();
    expect(formats).toEqual(['', '.erofs', '.erofs']);
  });
});
