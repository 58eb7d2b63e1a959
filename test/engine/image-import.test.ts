import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/base/index.ts';
import { tar } from '../fixtures/image-archives.ts';
import { type Instance, startInstance } from './instance.ts';
import { tracesOf } from './traces.ts';

describe('a file system is imported as an image', () => {
  let instance: Instance;
  let folder: string;
  let server: Server;
  let host: string;
  let root: Buffer;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-import-');
    root = await tar([
      ['etc/motd', 'hello'],
      ['link', { link: 'etc/motd' }],
    ]);
    server = createServer((request, response) => {
      if (request.url === '/root.tar.gz') return response.end(gzipSync(root));
      return response.writeHead(404).end('nothing of that name');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const inspect = async (name: string) => (await instance.api(`GET /images/${name}/json`)).body;

  it('from standard input, with a name, a message, changes and a platform', async () => {
    const since = Date.now() / 1000;
    const { stdout } = await instance.berth(
      [
        ...[
          'import',
          '-c',
          'ENV A=b',
          '--change',
          'CMD ["cat", "/link"]',
          '-m',
          'why',
          '--platform',
          'linux/arm64/v8',
        ],
        ...['-', 'imported:1'],
      ],
      { input: root },
    );
    const id = stdout.trim();
    expect(await inspect('imported:1')).toMatchObject({
      Id: id,
      RepoTags: ['imported:1'],
      Comment: 'why',
      Os: 'linux',
      Architecture: 'arm64',
      Variant: 'v8',
      Config: { Env: ['A=b'], Cmd: ['cat', '/link'] },
      RootFS: { Layers: [digestOf(root)] },
    });
    const events = await instance.berthOk([
      ...['events', '--since', String(since), '--until', String(Date.now() / 1000)],
      ...['--filter', 'type=image', '--format', '{{.Action}} {{.Actor.ID}}'],
    ]);
    expect(events.split('\n')).toEqual([`tag ${id}`, `import ${id}`]);
  });

  it.each([
    ['plain', (data: Buffer) => data],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])('from a file that is %s, whose bytes are kept', async (kind, pack) => {
    const path = `${folder}/${kind}`;
    await writeFile(path, pack(root));
    const id = await instance.berthOk(['image', 'import', path, `from-file:${kind}`]);
    expect(await inspect(`from-file:${kind}`)).toMatchObject({ Id: id, Comment: 'Imported from -' });
    await instance.berthOk(['create', '--name', kind, `from-file:${kind}`, 'x']);
    expect(await instance.berthOk(['cp', `${kind}:/etc/motd`, '-'])).toContain('hello');
    await instance.berthOk(['rm', kind]);
    await instance.berthOk(['save', '-o', `${path}.tar`, `from-file:${kind}`]);
    await instance.berthOk(['rmi', `from-file:${kind}`]);
    expect(await instance.berthOk(['load', '-i', `${path}.tar`])).toBe(`Loaded image: from-file:${kind}`);
    expect(await inspect(`from-file:${kind}`)).toMatchObject({ Id: id });
  });

  it('from a URL, with progress, and without a name', async () => {
    const url = `http://${host}/root.tar.gz`;
    const said = (await instance.berthOk(['import', url])).split('\n');
    expect(said[0]).toBe(`Downloading from ${url}`);
    expect(said.at(-1)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await inspect(said.at(-1) ?? '')).toMatchObject({ RepoTags: [], Comment: `Imported from ${url}` });
    const { body } = await instance.api(`POST /images/create?fromSrc=${host}/root.tar.gz&repo=no-scheme`);
    expect(JSON.stringify(body)).toContain('Downloading from http://');
    expect(await inspect('no-scheme:latest')).toMatchObject({ RootFS: { Layers: [digestOf(root)] } });
  });

  it('unless something is wrong with it, which is said in one sentence and leaves nothing', async () => {
    const refused = async (args: string[], input: string | Buffer = '') => {
      const before = await tracesOf(instance);
      const { code, stdout, stderr } = await instance.berth(['import', ...args], { input });
      expect(await tracesOf(instance)).toEqual(before);
      expect([code, stdout]).toEqual([1, '']);
      return stderr.trim().replace(/^Error response from daemon: /, '');
    };
    expect(await refused(['-', 'x'], 'no tar at all'.repeat(100))).toMatch(
      /^invalid tar archive, at its start: /,
    );
    expect(await refused(['-', 'x'], root.subarray(0, 700))).toMatch(
      /^invalid tar archive, .*it is truncated$/,
    );
    expect(await refused(['-', 'x'], gzipSync(root).subarray(0, 80))).toMatch(
      /^the layer's compressed data is broken/,
    );
    expect(await refused(['-', 'x'], await tar([['../out', 'x']]))).toContain('"../out"');
    expect(await refused(['-', 'UPPER'], root)).toContain('must be lowercase');
    expect(await refused(['-c', 'RUN x', '-', 'x'], root)).toBe('RUN is not a valid change command');
    expect(await refused(['--platform', 'a/b/c/d', '-', 'x'], root)).toContain('invalid platform "a/b/c/d"');
    expect(await refused([`${folder}/absent.tar`])).toBe(
      `open ${folder}/absent.tar: no such file or directory`,
    );
    expect(await refused([`http://${host}/absent`])).toBe(
      `failed to GET http://${host}/absent with status 404: nothing of that name`,
    );
    expect(await refused(['http://127.0.0.1:1/x'])).toBe(
      '127.0.0.1:1 could not be reached: connection refused',
    );
    const { status, body } = await instance.api('POST /images/create?fromSrc=ftp://127.0.0.1/x');
    expect([status, body]).toEqual([
      400,
      { message: 'ftp://127.0.0.1/x cannot be downloaded: only http and https can' },
    ]);
  });
});
