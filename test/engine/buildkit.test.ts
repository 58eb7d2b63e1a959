import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Packet_PacketType as Type } from '../../src/build/buildkit/protocol/fsutil_pb.ts';
import { BuildKitClient, type SendFolder } from '../fixtures/buildkit-client.ts';
import { type Instance, startInstance } from './instance.ts';

const FILE = 0o644;
const FOLDER = 2 ** 31 + 0o755;
const SYMLINK = 2 ** 27 + 0o777;

describe("BuildKit's protocol", () => {
  let instance: Instance;
  let client: BuildKitClient;
  let builds = 0;
  beforeAll(async () => {
    instance = await startInstance();
    client = await BuildKitClient.connect(instance.socketPath);
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await instance[Symbol.asyncDispose]();
  });

  interface Ask {
    readonly frontend?: string;
    readonly attributes?: Record<string, string>;
    readonly exporter?: string;
    readonly session?: string;
  }

  function solve({ frontend = 'dockerfile.v0', attributes = {}, exporter = 'moby', session = '' }: Ask) {
    builds += 1;
    return client.control.solve({
      ref: `build-${builds}`,
      session,
      frontend,
      frontendAttrs: attributes,
      exporters: [{ type: exporter, attrs: {} }],
    });
  }

  const refusal = async (asked: Promise<unknown>) =>
    asked.then(
      () => expect.fail('it was done'),
      (error: unknown) => ConnectError.from(error).rawMessage,
    );

  /** Builds with a session that sends its folders like this, and says why it fails. */
  async function refusalOf(sendFolder: SendFolder, attributes: Record<string, string> = {}) {
    const session = `session-${builds}`;
    await client.openSession(session, sendFolder);
    return refusal(solve({ session, attributes }));
  }

  it('says by Builder-Version that builds of BuildKit clients are there', async () => {
    const { status } = await instance.api('GET /_ping');
    expect(status).toBe(200);
    const { record } = await client.control.listWorkers({});
    expect(record).toMatchObject([{ platforms: [{ os: 'linux' }] }]);
  });

  it('refuses by name what it does not build', async () => {
    expect(await refusal(solve({ frontend: 'gateway.v0' }))).toContain(
      'the frontend "gateway.v0" is not there',
    );
    expect(await refusal(solve({ exporter: 'oci' }))).toContain('output type "oci"');
    expect(await refusal(solve({ attributes: { mystery: '1' }, session: await fine() }))).toBe(
      'the build option "mystery" is not there',
    );
    expect(
      await refusal(client.control.solve({ ref: 'graph', definition: { def: [new Uint8Array(3)] } })),
    ).toContain("BuildKit's graphs (LLB)");
  });

  it('takes calls of a build only with its ref', async () => {
    const error = await client.gateway.inputs({}).catch((thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({ rawMessage: expect.stringContaining('buildkit-controlapi-buildid') });
  });

  /** A session whose folders are as they should be. */
  async function fine(): Promise<string> {
    const id = `fine-${builds}`;
    await client.openSession(id, folderOf({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'content' }));
    return id;
  }

  it('builds from the folders of a session, and gives the image its names', async () => {
    const session = await fine();
    const { exporterResponse } = await client.control.solve({
      ref: 'named',
      session,
      frontend: 'dockerfile.v0',
      exporters: [{ type: 'moby', attrs: { name: 'docker.io/library/by-hand:1' } }],
    });
    expect(exporterResponse).toMatchObject({ 'image.name': 'docker.io/library/by-hand:1' });
    const id = await instance.berthOk(['images', '-q', '--no-trunc', 'by-hand']);
    expect(exporterResponse['containerimage.digest']).toBe(id);
  });

  it('tells steps, output and what came from the cache, whichever protocol it was built by', async () => {
    const dockerfile = 'FROM busybox\nARG V=1\nRUN echo said $V >&2\nCOPY f /\n';
    const session = `stepping-${builds}`;
    await client.openSession(session, folderOf({ Dockerfile: dockerfile, f: 'content' }));
    await solve({ session, attributes: { 'build-arg:V': '7' } });
    const first = await told(`build-${builds}`);
    expect(first.steps).toMatchObject({ '[2/3] RUN echo said 7 >&2': 'done', '[3/3] COPY f /': 'done' });
    expect(first.output).toContain('said 7\n');
    await using folder = await temporaryFolder({ Dockerfile: dockerfile, f: 'content' });
    const classic = await instance.berthOk(['build', '--build-arg', 'V=7', folder.path]);
    expect(classic.match(/Using cache/g)).toHaveLength(2);
    await solve({ session, attributes: { 'build-arg:V': '7' } });
    const second = await told(`build-${builds}`);
    expect(second.steps).toMatchObject({ '[2/3] RUN echo said 7 >&2': 'cached', '[3/3] COPY f /': 'cached' });
    expect(second.output).toBe('');
  });

  it('lets the client drive the build by the gateway, and makes the image when it returns the result', async () => {
    const ref = 'driven';
    const headers = { 'buildkit-controlapi-buildid': ref };
    const solved = client.control.solve({
      ref,
      session: await fine(),
      exporters: [{ type: 'moby', attrs: { name: 'driven:1' } }],
    });
    const { llbCaps } = await client.gateway.ping({}, { headers });
    expect(llbCaps.every(({ enabled }) => enabled)).toBe(true);
    const { result } = await client.gateway.solve(
      { frontend: 'dockerfile.v0', allowResultReturn: true, allowResultArrayRef: true },
      { headers },
    );
    expect(await instance.berthOk(['images', '-q', 'driven'])).toBe('');
    await client.gateway.return({ ...(result === undefined ? {} : { result }) }, { headers });
    const { exporterResponse } = await solved;
    expect(exporterResponse['containerimage.digest']).toBe(
      await instance.berthOk(['images', '-q', '--no-trunc', 'driven']),
    );
    expect(await refusal(client.gateway.ping({}, { headers }))).toBe('the build driven has ended');
  });

  it('ends a build whose client asks no more for it', async () => {
    const session = `waiting-${builds}`;
    await client.openSession(
      session,
      folderOf({ Dockerfile: 'FROM busybox\nRUN echo begun && sleep 1000\n' }),
    );
    const gone = new AbortController();
    const solved = client.control.solve(
      { ref: 'left', session, frontend: 'dockerfile.v0' },
      { signal: gone.signal },
    );
    solved.catch(() => {});
    const ends: string[] = [];
    for await (const { logs, vertexes } of client.control.status({ ref: 'left' })) {
      if (logs.some(({ msg }) => Buffer.from(msg).includes('begun'))) gone.abort();
      for (const { name, error } of vertexes) if (error !== '') ends.push(`${name}: ${error}`);
    }
    expect(ends).toEqual(['[2/2] RUN echo begun && sleep 1000: context canceled']);
    await expect(solved).rejects.toMatchObject({ code: Code.Canceled });
  });

  it('asks for no file that no step takes', async () => {
    const asked: string[] = [];
    const session = `frugal-${builds}`;
    const files = { Dockerfile: 'FROM scratch\nARG F=b\nCOPY a $F /\n', a: '1', b: '2', c: '3' };
    await client.openSession(session, (name, packets) =>
      folderOf(files, (path) => asked.push(`${name}/${path}`))(name, packets),
    );
    await solve({ session });
    expect(asked.sort()).toEqual(['context/a', 'context/b', 'dockerfile/Dockerfile']);
  });

  it('takes no path that leads out of the context, or that no folder can have', async () => {
    const sending = (
      ...stats: { path: string; mode: number; linkname?: string; size?: bigint }[]
    ): SendFolder =>
      function* () {
        for (const stat of stats) yield { type: Type.PACKET_STAT, stat };
        yield { type: Type.PACKET_STAT };
      };
    const outside = 'a path that is not inside its folder';
    expect(await refusalOf(sending({ path: '../x', mode: FILE }))).toContain(outside);
    expect(await refusalOf(sending({ path: '/etc/passwd', mode: FILE }))).toContain(outside);
    expect(await refusalOf(sending({ path: 'a/../../b', mode: FILE }))).toContain(outside);
    expect(await refusalOf(sending({ path: '', mode: FILE }))).toContain(outside);
    const link = { path: 'link', mode: SYMLINK, linkname: '/etc' };
    expect(await refusalOf(sending(link, { path: 'link/passwd', mode: FILE }))).toContain(
      'link, which is a symlink',
    );
    expect(await refusalOf(sending({ path: 'gone/f', mode: FILE }))).toContain('which did not come before');
    expect(await refusalOf(sending({ path: 'f', mode: FILE }, { path: 'f', mode: FOLDER }))).toContain(
      'f twice',
    );
    expect(await refusalOf(sending({ path: 'h', mode: FILE, linkname: '/etc/shadow' }))).toContain(
      'before what it links to: "/etc/shadow"',
    );
    expect(await refusalOf(sending({ path: 'f', mode: FILE, size: -1n }))).toContain(
      'a size that no file has',
    );
  });

  it('ends a build whose client sends packets out of order, too many, or too large', async () => {
    expect(
      await refusalOf(function* () {
        yield { type: Type.PACKET_DATA, id: 3, data: new Uint8Array(1) };
      }),
    ).toContain('a packet out of order');
    const dockerfile = { type: Type.PACKET_STAT, stat: { path: 'Dockerfile', mode: FILE, size: 4n } };
    expect(
      await refusalOf(async function* (_name, asked) {
        yield dockerfile;
        yield { type: Type.PACKET_STAT };
        await asked.next();
        yield { type: Type.PACKET_DATA, id: 7, data: new Uint8Array(1) };
      }),
    ).toContain('a file that it was not asked for: number 7');
    expect(
      await refusalOf(async function* (_name, asked) {
        yield dockerfile;
        yield { type: Type.PACKET_STAT };
        await asked.next();
        yield { type: Type.PACKET_DATA, id: 0, data: new Uint8Array(17 << 20) };
      }),
    ).toMatch(/the client does not send its folder dockerfile: .* larger than .*16777216/);
    expect(
      await refusalOf(function* () {
        yield { type: Type.PACKET_ERR, data: Buffer.from('no such folder') };
      }),
    ).toContain('the client cannot send its folder dockerfile: no such folder');
  });

  it('ends a build whose session dies in the middle of the context, and leaves nothing of it', async () => {
    const connection = Promise.withResolvers<{ destroy(): unknown }>();
    const files = folderOf({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'content' });
    const session = `dying-${builds}`;
    const opened = await client.openSession(session, (name, asked) =>
      name === 'dockerfile' ? files(name, asked) : dying(connection.promise),
    );
    connection.resolve(opened);
    expect(await refusal(solve({ session }))).toBe('the client ended its session in the middle of the build');
  });

  it('tells the steps of a build to whoever asks late, with the error of the one that failed', async () => {
    const session = `failing-${builds}`;
    await client.openSession(session, folderOf({ Dockerfile: 'FROM scratch\n\nCOPY nothing /\n' }));
    const error = await solve({ session }).catch((thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({ code: Code.Unknown, details: [{ type: 'errdefs.Source' }] });
    const names: string[] = [];
    let failure = '';
    for await (const { vertexes } of client.control.status({ ref: `build-${builds}` })) {
      for (const { name, completed, error: text } of vertexes) {
        if (completed !== undefined) names.push(name);
        failure ||= text;
      }
    }
    expect(names).toContain('[internal] load build definition from Dockerfile');
    expect(names).toContain('[1/1] COPY nothing /');
    expect(failure).toContain('Dockerfile:3: COPY failed: nothing: no such file or directory');
  });

  /** What became of a build's steps, and their output. */
  async function told(ref: string): Promise<{ steps: Record<string, string>; output: string }> {
    const steps: Record<string, string> = {};
    let output = '';
    for await (const { vertexes, logs } of client.control.status({ ref })) {
      for (const { name, completed, cached } of vertexes)
        if (completed !== undefined) steps[name] = cached ? 'cached' : 'done';
      output += logs.map(({ msg }) => Buffer.from(msg).toString()).join('');
    }
    return { steps, output };
  }

  it('asks for HTTP/2 on connections that are no BuildKit client', async () => {
    expect(await instance.api('POST /grpc')).toMatchObject({ status: 400 });
    expect(await instance.api('POST /session')).toMatchObject({ status: 400 });
  });
});

async function temporaryFolder(files: Readonly<Record<string, string>>) {
  const path = await mkdtemp('/tmp/berth-buildkit-');
  for (const [name, content] of Object.entries(files)) await writeFile(`${path}/${name}`, content);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

/** Sends these files as a client should: of the folder "dockerfile" only the Dockerfile, of the other all; none is an ignore file. */
function folderOf(
  files: Readonly<Record<string, string>>,
  onAsked: (path: string) => void = () => {},
): SendFolder {
  return async function* (folder, asked) {
    const names = Object.keys(files)
      .filter((name) => folder !== 'dockerfile' || name === 'Dockerfile')
      .sort();
    for (const path of names)
      yield {
        type: Type.PACKET_STAT,
        stat: { path, mode: FILE, size: BigInt(Buffer.byteLength(files[path] ?? '')) },
      };
    yield { type: Type.PACKET_STAT };
    for (;;) {
      const { done, value } = await asked.next();
      if (done === true) return;
      if (value.type === Type.PACKET_FIN) {
        yield { type: Type.PACKET_FIN };
        return;
      }
      onAsked(names[value.id] ?? '');
      yield { type: Type.PACKET_DATA, id: value.id, data: Buffer.from(files[names[value.id] ?? ''] ?? '') };
      yield { type: Type.PACKET_DATA, id: value.id };
    }
  };
}

async function* dying(connection: Promise<{ destroy(): unknown }>) {
  yield { type: Type.PACKET_STAT, stat: { path: 'f', mode: FILE, size: 7n } };
  (await connection).destroy();
}
