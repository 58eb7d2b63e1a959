import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeElf } from './elf.ts';
import { type Instance, startInstance } from './instance.ts';

/** A program for another machine than this one. */
const FOREIGN = process.arch === 'x64' ? { machine: 183, name: 'arm64' } : { machine: 62, name: 'amd64' };
const HOST = process.arch === 'x64' ? 'amd64' : process.arch;

/** What each file of the folder is, and what must be said when it is the command. */
const FAULTS: readonly (readonly [file: string, exitCode: number, words: string])[] = [
  ['interpreter', 127, 'its interpreter /no/such/python is not in the image. Install it'],
  ['moved', 127, 'its interpreter /usr/local/bin/sh is not in the image. There is one at /bin/sh'],
  ['crlf', 127, '"#!/bin/sh\\r" ends with a carriage return (\\r): save /b/crlf with Unix line ends'],
  ['nowhere', 126, 'the "#!" line of /b/nowhere names no interpreter'],
  ['unexecutable', 126, 'its interpreter /etc/passwd has no execute bit'],
  ['foreign', 126, `/b/foreign is a program for ${FOREIGN.name}, and this machine is ${HOST}. Pull or build`],
  ['musl', 127, 'its loader /lib/ld-musl-none.so.1, of musl, is not in the image. Link it statically'],
  ['glibc', 127, 'its loader /lib64/ld-linux-none.so.2, of glibc, is not in the image. Link it statically'],
  ['mode', 126, '/b/mode has the mode 0644, without an execute bit. Set it with chmod +x'],
  ['text', 126, '/b/text is a text without a "#!" line'],
  ['empty', 126, '/b/empty is empty'],
  ['windows', 126, `/b/windows is a program for Windows. Build it for linux/${HOST}`],
  ['dangling', 127, '/b/dangling is a symbolic link to /opt/real, which is not in the image'],
  ['absent', 127, 'the image has no /b/absent. Check the name'],
  ['mussl', 127, 'the image has no /b/mussl. Did you mean /b/musl?'],
  ['text/more', 126, '/b/text is no folder'],
];

async function makeFaults(folder: string): Promise<void> {
  const program = { mode: 0o755 };
  const files: Record<string, string | Buffer> = {
    interpreter: '#!/no/such/python -u\n',
    moved: '#!/usr/local/bin/sh\n',
    crlf: '#!/bin/sh\r\necho hello\r\n',
    nowhere: '#!\necho hello\n',
    unexecutable: '#!/etc/passwd\n',
    foreign: makeElf({ machine: FOREIGN.machine }),
    musl: makeElf({ interpreter: '/lib/ld-musl-none.so.1' }),
    glibc: makeElf({ interpreter: '/lib64/ld-linux-none.so.2' }),
    mode: '#!/bin/sh\n',
    text: 'echo hello\n',
    empty: '',
    windows: Buffer.from('MZ\x90\0\x03\0', 'latin1'),
    private: makeElf(),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(`${folder}/${name}`, content, program);
  await chmod(`${folder}/mode`, 0o644);
  await chmod(`${folder}/private`, 0o700);
  await symlink('/opt/real', `${folder}/dangling`);
  await symlink('loop', `${folder}/loop`);
}

describe('a command that cannot be executed is explained from its file', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-faults-');
    await mkdir(`${folder}/b`);
    await makeFaults(`${folder}/b`);
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'host',
      '-v',
      `${folder}/b:/b`,
      'busybox',
      'sleep',
      '1000',
    ]);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** Runs it, and returns the exit code and the first line that was said. */
  const refused = async (...args: string[]) => {
    const { code, stdout, stderr } = await instance.berth(args);
    return { code, said: (stdout + stderr).split('\n')[0]?.trim() ?? '' };
  };

  const mounted = () => ['-v', `${folder}/b:/b`];

  for (const runtime of ['crun', 'runc']) {
    it(`by run under ${runtime}, for each kind of fault`, async () => {
      const outcomes = await Promise.all(
        FAULTS.map(([file]) =>
          refused('run', '--rm', '--runtime', runtime, ...mounted(), 'busybox', `/b/${file}`),
        ),
      );
      expect(outcomes).toEqual(
        FAULTS.map(([file, code, words]) => ({
          code,
          said: expect.stringMatching(new RegExp(`exec: "/b/${file}": .*${escaped(words)}`)),
        })),
      );
    });
  }

  it('by exec', async () => {
    for (const [file, code, words] of FAULTS) {
      const outcome = await refused('exec', 'host', `/b/${file}`);
      expect(outcome).toEqual({ code, said: expect.stringContaining(words) });
    }
  });

  it('by a link that leads to itself', async () => {
    const { said } = await refused('run', '--rm', ...mounted(), 'busybox', '/b/loop');
    expect(said).toContain('/b/loop is a symbolic link that leads to itself');
  });

  it('by a file that its user may not execute', async () => {
    const { code, said } = await refused(
      'run',
      '--rm',
      '-u',
      '1000',
      '--cap-drop',
      'all',
      ...mounted(),
      'busybox',
      '/b/private',
    );
    expect(said).toContain(
      '/b/private has the mode 0700 and belongs to 0:0, so the user 1000 may not execute it',
    );
    expect(code).toBe(126);
  });

  it('by a name that $PATH does not have: where it was looked for, and what is near or elsewhere', async () => {
    const near = await refused('run', '--rm', 'busybox', 'slep', '1');
    expect(near.said).toMatch(
      /not found in \$PATH: none of \/usr\/local\/sbin, .* has it\. Did you mean sleep\?/,
    );
    expect((await refused('run', '--rm', 'busybox', 'bash')).said).toContain('The image has /bin/sh');
    const script = ['-v', `${folder}/b/text:/srv/start.sh`, '-w', '/srv', 'busybox', 'start.sh'];
    expect((await refused('run', '--rm', ...script)).said).toContain(
      'There is /srv/start.sh: give that path',
    );
    expect((await refused('exec', 'host', 'slep')).said).toContain('Did you mean sleep?');
  });

  it('and so is a user, a group or a working directory that does not exist', async () => {
    expect((await refused('run', '--rm', '-u', 'roott', 'busybox', 'true')).said).toContain(
      'unable to find user roott: no matching entries in passwd file. Did you mean root?',
    );
    expect((await refused('run', '--rm', '-u', 'root:nobodies', 'busybox', 'true')).said).toContain(
      'unable to find group nobodies: no matching entries in group file',
    );
    expect((await refused('run', '--rm', '--group-add', 'vips', 'busybox', 'true')).said).toContain(
      'unable to find group vips',
    );
    expect(await refused('exec', '-u', 'roott', 'host', 'true')).toEqual({
      code: 1,
      said: expect.stringContaining('unable to find user roott'),
    });
    const created = await instance.api('POST /containers/host/exec', { Cmd: ['true'], User: 'roott' });
    expect([created.status, JSON.stringify(created.body)]).toEqual([
      400,
      expect.stringContaining('unable to find user roott: no matching entries in passwd file'),
    ]);
    for (const runtime of ['crun', 'runc']) {
      const options = ['--runtime', runtime, '-w', '/etc/passwd', 'busybox', 'true'];
      expect((await refused('run', '--rm', ...options)).said).toContain(
        'the working directory /etc/passwd cannot be entered: not a directory',
      );
    }
    expect((await refused('exec', '-w', '/nope', 'host', 'true')).said).toContain(
      'the working directory /nope cannot be entered: no such file or directory',
    );
  });

  it('by a RUN of a build, with the line of the Dockerfile', async () => {
    const build = async (base: string, step: string) => {
      await writeFile(`${folder}/Dockerfile`, `FROM ${base}\nCOPY b /b\n${step}\n`);
      return (await instance.berth(['build', folder])).stderr;
    };
    for (const file of ['interpreter', 'crlf', 'foreign', 'glibc', 'dangling'] as const) {
      const [words = ''] = FAULTS.find(([name]) => name === file)?.[2].split('. ') ?? [];
      const said = await build('busybox', `RUN ["/b/${file}"]`);
      expect(said).toContain(words);
      expect(said).toContain('Dockerfile:3');
    }
    expect(await build('scratch', 'RUN echo hello')).toContain(
      'the image has no /bin/sh: the image has no shell (line 3: RUN echo hello). Give the command as a list',
    );
    expect(await build('busybox', 'USER roott\nRUN true')).toContain('unable to find user roott');
  });

  it('by a program of a real image whose libc is missing in this one', async () => {
    await copyFile('/bin/ls', `${folder}/ls`);
    await writeFile(`${folder}/Dockerfile`, 'FROM scratch\nCOPY ls /ls\nCMD ["/ls"]\n');
    await instance.berthOk(['build', '-q', '-t', 'bare', folder]);
    const { code, said } = await refused('run', '--rm', 'bare');
    expect([code, said]).toEqual([
      127,
      expect.stringMatching(/its loader \/lib.*, of glibc, is not in the image/),
    ]);
  });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
