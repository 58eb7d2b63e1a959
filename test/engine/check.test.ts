import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

/** Changes one byte of a file. */
async function damage(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const { size } = await file.stat();
  const position = Math.floor(size / 2);
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  await file.write(Buffer.of((byte[0] ?? 0) ^ 0xff), 0, 1, position);
}

describe.each(['erofs', 'folder'] as const)('a check of the images: %s', (format) => {
  let instance: Instance;
  let context: string;
  let whole: string;
  beforeAll(async () => {
    instance = await startInstance({ args: ['--layer-format', format] });
    context = await mkdtemp('/tmp/berth-check-');
    await writeFile(`${context}/Dockerfile`, 'FROM busybox\nCOPY Dockerfile /copied\n');
    await instance.berthOk(['pull', '-q', 'busybox']);
    await instance.berthOk(['build', '-t', 'built', context]);
    whole = await instance.berthOk(['system', 'check']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(context, { recursive: true });
  });
  beforeEach(async () => {
    expect(await instance.berthOk(['system', 'check'])).toBe(whole);
  });

  const image = async (name: string) =>
    (await instance.api(`GET /images/${name}/json`)).body as { Id: string; RootFS: { Layers: string[] } };
  const blobs = async () =>
    (await readdir(`${instance.dataRoot}/blobs/sha256`)).map(
      (name) => `${instance.dataRoot}/blobs/sha256/${name}`,
    );
  /** A file of a layer's content. */
  const layerFile = async (name: string, inside: string) => {
    const digest = (await image(name)).RootFS.Layers.at(-1)?.slice('sha256:'.length);
    return `${instance.dataRoot}/layers/${digest}${format === 'erofs' ? '.erofs' : inside}`;
  };
  const check = async (...options: string[]) => {
    const { code, stdout } = await instance.berth(['system', 'check', ...options]);
    return { code, lines: stdout.trim().split('\n') };
  };

  it('finds nothing where nothing is damaged', () => {
    expect(whole).toMatch(/^Checked \d+ blobs and 2 layers: no damage$/);
  });

  it('names a damaged blob and its images, and fetches it again', async () => {
    const sizes = await Promise.all((await blobs()).map(async (path) => ({ path, ...(await stat(path)) })));
    const [largest] = sizes.sort((a, b) => b.size - a.size);
    await damage(largest?.path ?? '');
    const found = await check();
    expect(found.code).toBe(1);
    expect(found.lines[0]).toMatch(
      /^blob sha256:.{64} \(of .*busybox:latest.*\): its bytes have the digest .*: damaged$/,
    );
    expect(found.lines).toHaveLength(2);
    const repaired = await check('--repair');
    expect([repaired.code, repaired.lines[0]]).toEqual([0, expect.stringMatching(/: repaired$/)]);
  });

  it('names what is missing, and fetches it again', async () => {
    const { Id } = await image('busybox');
    await rm(`${instance.dataRoot}/blobs/sha256/${Id.slice('sha256:'.length)}`);
    const repaired = await check('--repair');
    expect([repaired.code, repaired.lines]).toEqual([
      0,
      [expect.stringContaining('it is missing: repaired'), expect.stringMatching(/: 1 damaged$/)],
    ]);
  });

  it('makes a damaged layer again from its blob, and not while a container has it', async () => {
    await damage(await layerFile('busybox', '/bin/busybox'));
    await instance.berthOk(['run', '-d', '--name', 'user', 'built', 'sleep', '1000']).catch(() => {});
    const refused = await check('--repair');
    expect(refused.code).toBe(1);
    expect(refused.lines[0]).toMatch(
      /^layer sha256:.* \(of .*busybox:latest.*\): it is not what its blob unpacks to: not repaired: .* is used by 1 root$/,
    );
    await instance.berthOk(['rm', '-f', 'user']);
    const repaired = await check('--repair');
    expect([repaired.code, repaired.lines[0]]).toEqual([0, expect.stringMatching(/: repaired$/)]);
    expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'works'])).toBe('works');
  });

  it('says that only a build can bring back a damaged layer that was made here', async () => {
    await damage(await layerFile('built', '/copied'));
    const { code, lines } = await check('--repair');
    expect(code).toBe(1);
    expect(lines[0]).toMatch(
      /\(of built:latest\): .*: not repaired: it was made here, and nothing else has it/,
    );
    await instance.berthOk(['rmi', 'built']);
    await instance.berthOk(['build', '--no-cache', '-t', 'built', context]);
  });
});
