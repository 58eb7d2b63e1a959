import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../fixtures/registry.ts';
import { imageOf, layerOf, ownArchitecture, serveImages } from '../fixtures/served-images.ts';
import { type Instance, startInstance } from './instance.ts';

const DOCKERFILE = `FROM busybox:latest AS unused
RUN echo cached >/cached
FROM busybox:latest
COPY --from=unused /cached /copied
RUN echo one >/one
ENV A=B
LABEL kind=built
`;

interface ImageWithManifests {
  readonly Manifests: readonly { readonly Available: boolean }[];
}

interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

describe('images', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-list-');
    await writeFile(`${folder}/Dockerfile`, DOCKERFILE);
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    await instance.berthOk(['build', '-q', '-t', 'team/built:1', folder]);
    await instance.berthOk(['tag', 'team/built:1', 'team/built:2']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const names = async (...args: string[]) =>
    (await instance.berthOk(['images', '--format', '{{.Repository}}:{{.Tag}}', ...args])).split('\n').sort();
  const idOf = async (name: string) => instance.berthOk(['image', 'inspect', '-f', '{{.Id}}', name]);

  it.each([
    [[], ['busybox:latest', 'team/built:1', 'team/built:2']],
    [['team/built'], ['team/built:1', 'team/built:2']],
    [['team/built:1'], ['team/built:1']],
    [['--filter', 'reference=*/b?ilt:[0-1]'], ['team/built:1']],
    [['--filter', 'reference=built'], ['']],
    [
      ['--filter', 'label=kind=built'],
      ['team/built:1', 'team/built:2'],
    ],
    [['--filter', 'label=kind=other'], ['']],
    [['--filter', 'before=team/built:1'], ['busybox:latest']],
    [
      ['--filter', 'since=busybox'],
      ['team/built:1', 'team/built:2'],
    ],
    [['--filter', 'dangling=true'], ['']],
    [['--filter', 'until=2013-01-02T13:23:37Z'], ['']],
  ])('are selected by %j', async (args, expected) => {
    expect(await names(...args)).toEqual(expected);
  });

  it('are refused to be selected by what makes no sense', async () => {
    for (const [filter, message] of [
      ['bogus=x', "invalid filter 'bogus'"],
      ['dangling=maybe', "invalid filter 'dangling=[maybe]'"],
      ['before=nothing', 'No such image: nothing:latest'],
      ['until=tomorrow', '"tomorrow" is no time'],
      ['reference=[', 'syntax error in pattern'],
    ]) {
      const { code, stderr } = await instance.berth(['images', '--filter', filter ?? '']);
      expect(stderr).toContain(message);
      expect(code).toBe(1);
    }
  });

  it('are shown with digests, whole ids and as JSON, and those of the build cache with -a', async () => {
    const id = await idOf('team/built:1');
    expect(await instance.berthOk(['images', '-q', 'team/built:1'])).toBe(id.slice(7, 19));
    expect(await instance.berthOk(['images', '-q', '--no-trunc', 'team/built:1'])).toBe(id);
    expect(await instance.berthOk(['images', '--digests', 'busybox'])).toMatch(
      /^busybox +latest +sha256:[0-9a-f]{64} +[0-9a-f]{12} /m,
    );
    const json = JSON.parse(await instance.berthOk(['images', '--format', 'json', 'team/built:1']));
    expect(json).toMatchObject({ Repository: 'team/built', Tag: '1', SharedSize: 'N/A' });
    const unique = await instance.berthOk(['images', '--format', '{{.UniqueSize}}', 'team/built:1']);
    expect(unique).toBe('11B'); // "cached" and "one", a line each
    expect(await names('-a')).toContain('<none>:<none>');
  });

  it('are shown as a tree of platforms', async () => {
    await instance.berthOk(['create', '--name', 'tree-user', 'busybox']);
    const lines = (await instance.berthOk(['images', '--tree'])).split('\n');
    await instance.berthOk(['rm', 'tree-user']);
    expect(lines.find((line) => line.startsWith('IMAGE'))).toMatch(
      /^IMAGE +ID +DISK USAGE +CONTENT SIZE +EXTRA$/,
    );
    const at = lines.findIndex((line) => line.startsWith('busybox:latest'));
    expect(lines[at]).toMatch(/^busybox:latest +[0-9a-f]{12} +1\.98MB +1\.06MB +U$/);
    expect(lines[at + 1]).toMatch(/^└─ linux\/\w+ +[0-9a-f]{12} +3\.04MB +1\.06MB +U$/);
    expect(lines).toContain('team/built:1');
    const refused = await instance.berth(['images', '--tree', '--digests']);
    expect(refused).toMatchObject({ code: 1, stderr: '--digests is not yet supported with --tree\n' });
  });

  it('are shown with the platforms that only their registry has', async () => {
    await using source = await serveImages();
    const own = imageOf([await layerOf('own', 'own')]);
    const arm = imageOf([await layerOf('arm', 'arm')], { architecture: 'arm' });
    const index = source.addIndex('multi/app:1', { [ownArchitecture]: own, arm });
    const name = `${source.host}/multi/app:1`;
    await instance.berthOk(['pull', '-q', name]);
    const { body } = await instance.api(`GET /images/${name}/json?manifests=1`);
    expect(body).toMatchObject({
      Descriptor: { digest: index.digest },
      Manifests: [
        { ID: own.descriptor.digest, Available: true, Kind: 'image' },
        { ID: arm.descriptor.digest, Available: false, Kind: 'image', Size: { Content: 0, Total: 0 } },
      ],
    });
    const lines = (await instance.berthOk(['images', '--tree', name])).split('\n');
    expect(lines.at(-2)).toMatch(new RegExp(`^├─ linux/${ownArchitecture} +\\w{12} +[1-9]`));
    expect(lines.at(-1)).toMatch(/^└─ linux\/arm +\w{12} +0B +0B$/);
    await instance.berthOk(['pull', '-q', '--platform', 'linux/arm', name]);
    const both = (await instance.api(`GET /images/${name}/json?manifests=1`)).body as ImageWithManifests;
    expect(both.Manifests.map(({ Available }) => Available)).toEqual([true, true]);
    await instance.berthOk(['image', 'prune', '-af', '--filter', 'label!=kind']);
    await instance.berthOk(['pull', '-q', 'busybox']);
  });

  const history = async (...args: string[]) => (await instance.berthOk(['history', ...args])).split('\n');
  const steps = async (image: string) =>
    history('--no-trunc', '--human=false', '--format', '{{.Size}} {{.CreatedBy}}', image);

  it('have a history, whether pulled, built or committed', async () => {
    expect(await steps('busybox')).toEqual([
      expect.stringMatching(/^1982358 scripts\/stand-in\/build busybox$/),
    ]);
    expect(await steps('team/built:1')).toEqual([
      '0 LABEL kind=built',
      '0 ENV A=B',
      '4 RUN /bin/sh -c echo one >/one # buildkit',
      '7 COPY /cached /copied # buildkit',
      '1982358 scripts/stand-in/build busybox',
    ]);
    await instance.berthOk([
      'run',
      '--name',
      'changed',
      'team/built:1',
      'sh',
      '-c',
      'echo committed >/committed',
    ]);
    await instance.berthOk(['commit', '-m', 'a comment', 'changed', 'committed:1']);
    await instance.berthOk(['rm', 'changed']);
    const [last, ...rest] = await steps('committed:1');
    expect(last).toBe('10 sh -c echo committed >/committed');
    expect(rest).toEqual(await steps('team/built:1'));
    const table = await history('committed:1');
    expect(table[0]).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
    expect(table[1]).toMatch(/^[0-9a-f]{12} .* 10B +a comment$/);
    expect(await history('-q', '--no-trunc', 'committed:1')).toEqual([
      await idOf('committed:1'),
      ...rest.map(() => '<missing>'),
    ]);
    await instance.berthOk(['rmi', 'committed:1']);
  });

  it('have a history for their own platform only', async () => {
    const { code, stderr } = await instance.berth(['history', '--platform', 'linux/s390x', 'busybox']);
    expect(stderr).toContain('busybox was found but does not provide the specified platform (linux/s390x)');
    expect(code).toBe(1);
    expect((await instance.berth(['history', 'nothing'])).stderr).toContain('No such image: nothing:latest');
  });

  it('remember when they were last given a name', async () => {
    const before = new Date().toISOString();
    await instance.berthOk(['tag', 'busybox', 'again']);
    const tagged = await instance.berthOk(['image', 'inspect', '-f', '{{.Metadata.LastTagTime}}', 'again']);
    expect(tagged >= before).toBe(true);
    await instance.berthOk(['rmi', 'again']);
  });

  it('lose their names by force while a container needs them, and go when it is gone', async () => {
    await writeFile(`${folder}/Dockerfile.used`, 'FROM busybox:latest\nRUN echo used >/used\n');
    await instance.berthOk(['build', '-q', '-t', 'used:1', '-f', `${folder}/Dockerfile.used`, folder]);
    await instance.berthOk(['run', '-d', '--name', 'user', 'used:1', 'sleep', '1000']);
    const refused = await instance.berth(['rmi', 'used:1']);
    expect(refused.stderr).toMatch(/unable to delete used:1 \(must be forced\) - container \w{12} is using/);
    expect(await instance.berthOk(['rmi', '-f', 'used:1'])).toBe('Untagged: used:1');
    const id = await instance.berthOk(['images', '-q', '--filter', 'dangling=true']);
    expect(await instance.berthOk(['exec', 'user', 'cat', '/used'])).toBe('used');
    const byId = await instance.berth(['rmi', '-f', id]);
    expect(byId.stderr).toMatch(/\(cannot be forced\) - image is being used by running container \w{12}$/m);
    await instance.berthOk(['rm', '-f', 'user']);
    expect(await instance.berthOk(['rmi', id])).toMatch(/^Deleted: sha256:[0-9a-f]{64}\nDeleted: sha256:/);
  });

  it('tell in events what becomes of them', async () => {
    await writeFile(`${folder}/Dockerfile.told`, 'FROM busybox:latest\nLABEL told=yes\n');
    const since = String(Date.now() / 1000);
    await instance.berthOk(['build', '-q', '-t', 'told:1', '-f', `${folder}/Dockerfile.told`, folder]);
    const id = await idOf('told:1');
    await instance.berthOk(['tag', 'told:1', 'told:2']);
    await instance.berthOk(['rmi', 'told:2']);
    await instance.berthOk(['image', 'prune', '-af', '--filter', 'label=told']);
    const until = String(Date.now() / 1000 + 0.001);
    const output = await instance.berthOk([
      ...['events', '--since', since, '--until', until, '--filter', 'type=image', '--format', 'json'],
    ]);
    const events = output.split('\n').map((line) => {
      const { Action, Actor } = JSON.parse(line) as EngineEvent;
      const { name = '', told = '' } = Actor.Attributes;
      return [Action, name, told];
    });
    expect(events).toEqual([
      ['create', id, 'yes'],
      ['tag', 'told:1', 'yes'],
      ['tag', 'told:2', 'yes'],
      ['untag', 'told:2', ''],
      ['untag', 'told:1', ''],
      ['delete', id, ''],
      ['prune', '', ''],
    ]);
  });

  it('leave no file behind when they are removed', async () => {
    await using other = await startInstance();
    await other.berthOk(['pull', '-q', 'busybox']);
    await other.berthOk(['run', '--rm', 'busybox', 'true']);
    await other.berthOk(['rmi', 'busybox']);
    for (const place of ['blobs/sha256', 'layers'])
      expect(await readdir(`${other.dataRoot}/${place}`)).toEqual([]);
    await other.api('GET /berth/data-root'); // waits until all is deleted
    expect(await readdir(`${other.dataRoot}/tmp`)).toEqual([]);
  });

  it('are searched for at a registry that can search', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/v2/') return response.end('{}');
      const results = [
        { name: 'team/small', description: 'Small', star_count: 1, is_official: false },
        { name: 'large', description: `Large ${'and larger '.repeat(9)}`, star_count: 7, is_official: true },
      ];
      return response.end(JSON.stringify({ query: request.url, results }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const lines = (await instance.berthOk(['search', `${host}/word`])).split('\n');
      expect(lines[0]).toMatch(/^NAME +DESCRIPTION +STARS +OFFICIAL$/);
      expect(lines[1]).toMatch(/^large +Large and larger.*… +7 +\[OK\]$/);
      expect(lines[2]).toMatch(/^team\/small +Small +1 *$/);
      const few = ['search', '--filter', 'stars=3', '--format', '{{.Name}}', '--limit', '5', `${host}/word`];
      expect(await instance.berthOk(few)).toBe('large');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('are not searched for where a registry cannot, which is said', async () => {
    await using registry = await startRegistry('empty');
    const { host } = new URL(registry.url);
    const refused = await instance.berth(['search', `${host}/word`]);
    expect(refused.stderr).toContain(`the registry ${host} cannot search: it has no /v1/search`);
    expect(refused.code).toBe(1);
    const limit = await instance.berth(['search', '--limit', '101', 'word']);
    expect(limit.stderr).toContain('limit 101 is outside the range of [1, 100]');
  });
});
