import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';
import { tracesOf } from './traces.ts';

describe('a build or Compose file that is wrong says where, and leaves nothing', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-context-');
    await instance.berthOk(['pull', '-q', 'busybox']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** Runs it in a folder with these files, and checks that it changed nothing. */
  const refused = async (args: readonly string[], files: Record<string, string>) => {
    const cwd = await mkdtemp(`${folder}/c-`);
    for (const [name, text] of Object.entries(files)) await writeFile(`${cwd}/${name}`, text);
    const before = await tracesOf(instance);
    const { code, stdout, stderr } = await instance.berth(args, { cwd });
    expect(await tracesOf(instance)).toEqual(before);
    return { code, stdout, said: stderr.trim(), cwd };
  };
  const build = (dockerfile: string) => refused(['build', '.'], { Dockerfile: dockerfile });

  it('a folder without a Dockerfile: how to name another one', async () => {
    const { code, said } = await refused(['build', '.'], {});
    expect(code).toBe(1);
    expect(said).toContain('Dockerfile does not exist; name another one with -f');
  });

  it('an unknown instruction: its line, and the nearest one', async () => {
    const { code, said } = await build('FROM busybox\n\nRUNN echo x\n');
    expect(code).toBe(1);
    expect(said).toContain('Dockerfile:3: unknown instruction: RUNN (line 3). Did you mean RUN?');
  });

  it('COPY of a missing file', async () => {
    const { code, said } = await build('FROM busybox\nCOPY absent /x\n');
    expect(code).toBe(1);
    expect(said).toBe(
      'Dockerfile:2: COPY failed: absent: no such file or directory in the build context (line 2)',
    );
  });

  it('COPY of a file outside of the context: the two ways out', async () => {
    const { code, said } = await build('FROM busybox\nCOPY ../secret /x\n');
    expect(code).toBe(1);
    expect(said).toMatch(
      /^Dockerfile:2: COPY failed: forbidden path outside the build context: \.\.\/secret .*Move/,
    );
  });

  it('a RUN that fails: what it printed, its exit code and its line', async () => {
    const { code, stdout, said } = await build('FROM busybox\nRUN echo about to fail; exit 4\n');
    expect(code).toBe(1);
    expect(stdout + said).toContain('about to fail');
    expect(said).toContain('returned a non-zero code: 4 (Dockerfile:2: RUN echo about to fail; exit 4)');
  });

  it('a RUN of something that is no program: what it is, and its line', async () => {
    const { code, said } = await build('FROM busybox\nRUN ["/etc"]\n');
    expect(code).toBe(1);
    expect(said).toMatch(
      /^Dockerfile:2: unable to start container process: exec: "\/etc": is a directory .*line 2/,
    );
  });

  it('broken Compose YAML: file, line and column', async () => {
    const text = 'services:\n  web:\n    image: busybox\n    image: debian\n';
    const { code, said, cwd } = await refused(['compose', 'up'], { 'compose.yaml': text });
    expect([code, said]).toEqual([1, `${cwd}/compose.yaml:4:5: Map keys must be unique`]);
    const unclosed = await refused(['compose', 'up'], { 'compose.yaml': 'services:\n  web: [busybox\n' });
    expect(unclosed.code).toBe(1);
    expect(unclosed.said).toMatch(/compose\.yaml:\d+:\d+: Flow sequence/);
  });

  it('an unknown key of a service: line, column and the nearest one', async () => {
    const text = 'services:\n  web:\n    imagee: busybox\n';
    const { code, said } = await refused(['compose', 'up'], { 'compose.yaml': text });
    expect(code).toBe(1);
    expect(said).toMatch(/compose\.yaml:3:5: services\.web\.imagee: .*Did you mean image\?$/);
  });
});
