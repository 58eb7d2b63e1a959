import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from './instance.ts';

describe('the files of a container', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    folder = await mkdtemp('/tmp/berth-archive-');
    await instance.berthOk(['run', '-d', '--name', 'running', '-v', 'one:/data', 'busybox', 'sleep', '1000']);
    await instance.berthOk(['create', '--name', 'stopped', '-v', 'two:/data', 'busybox', 'ls', '/data']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  describe('berth cp', () => {
    beforeEach(async () => {
      await rm(`${folder}/tree`, { recursive: true, force: true });
      await mkdir(`${folder}/tree/sub`, { recursive: true });
      await writeFile(`${folder}/tree/file`, 'content', { mode: 0o640 });
      await symlink('file', `${folder}/tree/link`);
    });

    it.each(['running', 'stopped'])('copies a tree into a %s container and back the same', async (name) => {
      await instance.berthOk(['cp', `${folder}/tree`, `${name}:/home`]);
      await instance.berthOk(['cp', `${name}:/home/tree`, `${folder}/back-${name}`]);
      expect(await readFile(`${folder}/back-${name}/file`, 'utf8')).toBe('content');
      expect((await lstat(`${folder}/back-${name}/file`)).mode & 0o777).toBe(0o640);
      expect(await readlink(`${folder}/back-${name}/link`)).toBe('file');
      expect(await readdir(`${folder}/back-${name}`)).toEqual(['file', 'link', 'sub']);
    });

    it.each(['running', 'stopped'])('reaches the volumes of a %s container', async (name) => {
      await instance.berthOk(['cp', `${folder}/tree/.`, `${name}:/data`]);
      await instance.berthOk(['cp', `${name}:/data/file`, `${folder}/of-${name}`]);
      expect(await readFile(`${folder}/of-${name}`, 'utf8')).toBe('content');
    });

    it('leaves in a volume what the container then finds there', async () => {
      await instance.berthOk(['cp', `${folder}/tree/.`, 'stopped:/data']);
      expect(await instance.berthOk(['start', '-a', 'stopped'])).toBe('file\nlink\nsub');
    });

    it('sees a volume that was made anew under the same name', async () => {
      for (const content of ['first', 'second']) {
        await writeFile(`${folder}/version`, content);
        await instance.berthOk(['create', '--name', 'short', '-v', 'again:/data', 'busybox']);
        await instance.berthOk(['cp', `${folder}/version`, 'short:/data/']);
        expect(await instance.berthOk(['cp', 'short:/data/version', '-'])).toContain(content);
        await instance.berthOk(['rm', 'short']);
        await instance.berthOk(['volume', 'rm', 'again']);
      }
    });

    it('brings devices along', async () => {
      await instance.berthOk(['cp', 'running:/dev', `${folder}/dev`]);
      const { rdev, mode } = await lstat(`${folder}/dev/null`);
      expect([rdev, mode & 0o777]).toEqual([(await lstat('/dev/null')).rdev, 0o666]);
    });

    it('refuses to write where the container cannot', async () => {
      await instance.berthOk([
        'create',
        '--name',
        'locked',
        '-v',
        'three:/data:ro',
        '--read-only',
        'busybox',
      ]);
      const into = async (path: string) =>
        (await instance.berth(['cp', `${folder}/tree`, `locked:${path}`])).stderr;
      expect(await into('/home')).toContain('container rootfs is marked read-only');
      expect(await into('/data')).toContain('mounted volume is marked read-only');
    });

    it('streams archives by "-"', async () => {
      const archive = await instance.berthOk(['cp', 'running:/etc/passwd', '-']);
      expect(archive).toContain('root:');
      const { code } = await instance.berth(['cp', '-', 'running:/tmp'], { input: `${archive}\0\0` });
      expect(code).toBe(0);
      expect(await instance.berthOk(['exec', 'running', 'cat', '/tmp/passwd'])).toContain('root:');
    });

    it('follows the link that is its source with -L only', async () => {
      await instance.berthOk(['cp', `${folder}/tree/.`, 'running:/home']);
      await instance.berthOk(['cp', 'running:/home/link', `${folder}/as-link`]);
      await instance.berthOk(['cp', '-L', 'running:/home/link', `${folder}/as-file`]);
      expect(await readlink(`${folder}/as-link`)).toBe('file');
      expect(await readFile(`${folder}/as-file`, 'utf8')).toBe('content');
    });

    it.each([
      [['running:/nothing', '.'], 'Could not find the file /nothing in container running'],
      [['FOLDER/tree', 'running:/etc/passwd'], 'cannot copy directory'],
      [['FOLDER/tree/file', 'running:/etc/new/'], 'no such directory'],
      [['FOLDER/none', 'running:/'], 'no such file or directory'],
      [['running:/etc', 'stopped:/etc'], 'copying between containers is not supported'],
      [['FOLDER/tree', 'missing:/'], 'No such container: missing'],
    ])('refuses %j', async (words, reason) => {
      const args = words.map((word) => word.replace('FOLDER', folder));
      const { code, stderr } = await instance.berth(['cp', ...args]);
      expect(code).toBe(1);
      expect(stderr).toContain(reason);
    });

    it('writes nothing through a link that leads out of the container', async () => {
      await instance.berthOk(['exec', 'running', 'ln', '-s', folder, '/way-out']);
      const { code } = await instance.berth(['cp', `${folder}/tree/file`, 'running:/way-out/escaped']);
      expect(code).toBe(1);
      expect(await readdir(folder)).not.toContain('escaped');
    });
  });

  it('tells by diff what was added, changed and deleted, also where a folder was replaced', async () => {
    const script =
      'echo > /home/new; echo >> /etc/passwd; rm /bin/vi; rm -r /var; mkdir /var; echo > /var/own';
    await instance.berthOk(['run', '--name', 'changed', 'busybox', 'sh', '-c', script]);
    const lines = (await instance.berthOk(['diff', 'changed'])).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining(['A /home/new', 'C /etc', 'C /etc/passwd', 'C /bin', 'D /bin/vi', 'A /var/own']),
    );
    expect(lines.filter((line) => line.startsWith('D /var/')).length).toBeGreaterThan(0);
    expect(lines.filter((line) => /hosts|resolv|proc|sys$/.test(line))).toEqual([]);
    await instance.berthOk(['create', '--name', 'unchanged', 'busybox']);
    expect(await instance.berthOk(['diff', 'unchanged'])).toBe('');
  });

  it.each(['running', 'stopped'])(
    'exports the file system of a %s container without its volumes',
    async (name) => {
      await instance.berthOk(['cp', '/etc/hostname', `${name}:/data/in-volume`]);
      await instance.berthOk(['cp', '/etc/hostname', `${name}:/home/in-root`]);
      await instance.berthOk(['export', '-o', `${folder}/${name}.tar`, name]);
      const { stdout } = await runChecked('tar', ['-tf', `${folder}/${name}.tar`]);
      const names = stdout.toString().split('\n');
      expect(names).toEqual(expect.arrayContaining(['bin/busybox', 'data/', 'home/in-root']));
      expect(names).not.toContain('data/in-volume');
    },
  );

  it("lists a container's own processes by top, with ps's options", async () => {
    const [titles, ...rows] = (await instance.berthOk(['top', 'running', '-o', 'pid,args'])).split('\n');
    expect(titles).toMatch(/^PID +COMMAND$/);
    expect(rows).toEqual([expect.stringMatching(/^\d+ +sleep 1000$/)]);
    expect((await instance.berth(['top', 'unchanged'])).stderr).toContain('is not running');
    expect((await instance.berth(['top', 'running', '-o', 'user'])).stderr).toContain(
      "Couldn't find PID field",
    );
  });

  it.each([
    ['pausing it', []],
    ['letting it run on', ['--pause=false']],
  ])('makes an image of a running container by commit, %s', async (_how, flags) => {
    await instance.berthOk(['exec', 'running', 'sh', '-c', 'echo committed > /home/mark']);
    const changes = ['-c', 'ENV MARK=/home/mark', '-c', 'CMD cat $MARK', '-a', 'me', '-m', 'why'];
    const id = await instance.berthOk(['commit', ...flags, ...changes, 'running', 'committed:1']);
    expect(await instance.berthOk(['run', '--rm', 'committed:1'])).toBe('committed');
    expect(await instance.berthOk(['ps', '--filter', 'name=running', '--format', '{{.State}}'])).toBe(
      'running',
    );
    const { body } = await instance.api('GET /images/committed:1/json');
    expect(body).toMatchObject({ Id: id, Author: 'me', Comment: 'why', RepoTags: ['committed:1'] });
    await instance.berthOk(['rmi', 'committed:1']);
  });

  it('refuses to commit with what is no change of the config, and makes no image', async () => {
    const { code, stderr } = await instance.berth(['commit', '-c', 'RUN true', 'running', 'refused']);
    expect(code).toBe(1);
    expect(stderr).toContain('RUN is not a valid change command');
    expect((await instance.berth(['commit', 'missing'])).stderr).toContain('No such container: missing');
    expect(await instance.berthOk(['images', '-q', 'refused'])).toBe('');
  });

  it("fills an empty volume with what the image has at its path, by the image's owners", async () => {
    const listed = await instance.berthOk([
      'run',
      '--rm',
      '-v',
      'filled:/etc',
      'busybox',
      'cat',
      '/etc/passwd',
    ]);
    expect(listed).toContain('root:');
  });
});
