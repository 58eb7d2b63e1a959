import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newContainerId, type RunResult, run } from '../base/index.ts';
import { hostDevices, resolveDevice } from './devices.ts';
import { type HostFacts, readHostFacts } from './host-facts.ts';
import { findOciRuntimes, type OciRuntime, requireRuntime } from './oci-runtimes.ts';
import { type ContainerSpecInput, containerSpec, processSpec } from './oci-spec.ts';
import { SECCOMP_ANNOTATION, SeccompCache } from './seccomp-cache.ts';
import { resolveUser } from './users.ts';

const isRoot = process.getuid?.() === 0;
const runtimes = await findOciRuntimes();
const hasCgroupV1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
const instance = `test-${process.pid}`;
const accounts = {
  passwd: 'root:x:0:0::/root:/bin/sh\napp:x:1234:1234::/home/app:/bin/sh\n',
  group: 'app:x:1234:\nextra:x:44:app\n',
};

let host: HostFacts;
let folder: string;

beforeAll(async () => {
  host = await readHostFacts();
  folder = await mkdtemp(join(tmpdir(), 'berth-spec-'));
  await chmod(folder, 0o755); // other users must reach the root
  await makeRoot(join(folder, 'root'));
  await mkdir(join(folder, 'shm'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await removeCgroups();
});

describe.each(['crun', 'runc'])('a container under %s (needs root)', (name) => {
  const runtime = runtimes.available.get(name);
  const inside = (script: string, changes: Partial<ContainerSpecInput> = {}) =>
    runScript(runtime, script, changes);

  test.skipIf(!isRoot || runtime === undefined)(
    'has Docker’s capabilities and filter, and no more',
    async () => {
      const status = await inside('cat /proc/1/status');
      expect(status.stdout).toMatch(/^CapEff:\s+00000000a80425fb$/m);
      expect(status.stdout).toMatch(/^CapBnd:\s+00000000a80425fb$/m);
      expect(status.stdout).toMatch(/^CapInh:\s+0000000000000000$/m);
      expect(status.stdout).toMatch(/^CapAmb:\s+0000000000000000$/m);
      expect(status.stdout).toMatch(/^Seccomp:\s+2$/m);
      expect(status.stdout).toMatch(/^NoNewPrivs:\s+0$/m);
      const refused = await inside(
        'unshare -U true; mount -t tmpfs x /mnt; mknod /tmp/disk b 8 0 && cat /tmp/disk; rm /tmp/disk',
      );
      expect(refused.stderr.match(/not permitted|permission denied/gi)).toHaveLength(3);
    },
  );

  test.skipIf(!isRoot || runtime === undefined)('runs as the user, with what the user may have', async () => {
    const user = resolveUser('app', accounts);
    const result = await inside('id; echo $HOME; pwd; cat /proc/self/status', {
      user,
      cwd: '/made/for/me',
      noNewPrivileges: true,
    });
    expect(result.stdout).toContain('uid=1234 gid=1234 groups=1234,44\n/home/app\n/made/for/me\n');
    expect(result.stdout).toMatch(/^CapEff:\s+0000000000000000$/m);
    expect(result.stdout).toMatch(/^NoNewPrivs:\s+1$/m);
  });

  test.skipIf(!isRoot || runtime === undefined)('sees Docker’s mounts, masks and names', async () => {
    const result = await inside(
      'cat /proc/self/mountinfo; hostname; ls /sys/firmware; ls /dev; wc -c < /proc/keys',
    );
    const options = mountOptions(result.stdout);
    expect(options.get('/proc')).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev', 'noexec']));
    expect(options.get('/dev/shm')).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev', 'noexec']));
    for (const path of ['/sys', '/proc/sys', '/proc/bus', '/proc/irq', '/sys/firmware']) {
      expect(options.get(path)).toContain('ro');
    }
    for (const path of ['/dev/pts', '/dev/mqueue']) expect([...options.keys()]).toContain(path);
    expect(result.stdout).toMatch(/^spec-test$/m);
    expect(result.stdout).toMatch(/^urandom$/m);
    expect(result.stdout).not.toMatch(/^(vda|sda|kmsg|mem)$/m);
    expect(result.stdout.trim().split('\n').at(-1)).toBe('0');
  });

  test.skipIf(!isRoot || runtime === undefined)('keeps its limits', async () => {
    const result = await inside(
      'cat /proc/self/limits /proc/self/oom_score_adj; cat /proc/sys/net/core/somaxconn',
      {
        ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
        oomScoreAdj: 123,
        sysctls: { 'net.core.somaxconn': '77' },
      },
    );
    expect(result.stdout).toMatch(/^Max open files\s+100\s+200\s/m);
    expect(result.stdout).toMatch(/^123\n77$/m);
  });

  test.skipIf(!isRoot || runtime === undefined || !hasCgroupV1)(
    'is in the instance’s cgroup, with its limits',
    async () => {
      const id = newContainerId();
      const script = `cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes \
      pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.shares cpuset/cpuset.cpus; grep memory: /proc/self/cgroup`;
      const result = await inside(script, {
        id,
        resources: {
          memory: 64 * 1024 * 1024,
          pidsLimit: 55,
          nanoCpus: 5e8,
          cpuShares: 512,
          cpusetCpus: '0',
        },
      });
      expect(result.stdout.split('\n').slice(0, 6)).toEqual([
        '67108864',
        '134217728',
        '55',
        '50000',
        '512',
        '0',
      ]);
      expect(result.stdout).toContain(`:memory:/berth-${instance}/${id}\n`);
    },
  );

  test.skipIf(!isRoot || runtime === undefined)('mounts what the user asks for', async () => {
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, 'data/file'), 'from the host');
    const result = await inside(
      'cat /data/file; touch /data/x; touch /scratch/x && cat /proc/self/mountinfo',
      {
        mounts: [
          ...hostPrograms(),
          { kind: 'bind', source: join(folder, 'data'), destination: '/data', readOnly: true },
          { kind: 'tmpfs', destination: '/scratch', options: ['size=1m', 'exec'] },
        ],
      },
    );
    expect(result.stdout).toMatch(/^from the host/);
    expect(result.stderr).toContain('Read-only file system');
    const options = mountOptions(result.stdout);
    expect(options.get('/data')).toContain('ro');
    expect(options.get('/scratch')).toEqual(expect.arrayContaining(['nosuid', 'nodev']));
    expect(options.get('/scratch')).not.toContain('noexec');
  });

  test.skipIf(!isRoot || runtime === undefined)('has a root that is read-only when asked', async () => {
    const result = await inside('touch /x; touch /dev/shm/y && echo written', { readOnlyRoot: true });
    expect(result.stderr).toContain('Read-only file system');
    expect(result.stdout).toBe('written\n');
  });

  test.skipIf(!isRoot || runtime === undefined)('gets the devices asked for', async () => {
    const devices = await resolveDevice('/dev/zero', '/dev/mine', 'r');
    const result = await inside('head -c 2 /dev/mine | wc -c; ls -l /dev/mine', { devices });
    expect(result.stdout).toMatch(/^2\ncrw-rw-rw-/);
  });

  test.skipIf(!isRoot || runtime === undefined)('has nearly everything when privileged', async () => {
    const result = await inside('cat /proc/1/status; mount -t tmpfs x /mnt && echo mounted; ls /dev', {
      privileged: true,
      devices: await hostDevices(),
    });
    expect(result.stdout).toMatch(/^Seccomp:\s+0$/m);
    expect(result.stdout).toMatch(/^mounted$/m);
    expect(result.stdout).toMatch(/^kmsg$/m);
  });

  test.skipIf(!isRoot || runtime === undefined)('shares the host’s namespaces only when asked', async () => {
    const script =
      'readlink /proc/self/ns/net /proc/self/ns/uts /proc/self/ns/ipc /proc/self/ns/pid; echo $$';
    const own = (await inside(script)).stdout.trim().split('\n');
    expect(own.at(-1)).toBe('1');
    const kind = { kind: 'host' } as const;
    const shared = await inside(script, {
      namespaces: { network: kind, uts: kind, ipc: kind, pid: kind, cgroup: kind },
    });
    const mine = await run('sh', ['-c', script]);
    expect(shared.stdout.split('\n').slice(0, 4)).toEqual(mine.stdout.toString().split('\n').slice(0, 4));
    expect(own.slice(0, 4).filter((one) => shared.stdout.includes(one))).toEqual([]);
  });

  test.skipIf(!isRoot || runtime === undefined)('can join a network namespace by its path', async () => {
    const holder = spawn('unshare', ['-n', 'sh', '-c', 'readlink /proc/self/ns/net; exec sleep 1000']);
    try {
      const [name] = await once(holder.stdout, 'data');
      const result = await inside('readlink /proc/self/ns/net', {
        namespaces: { ...newNamespaces, network: { kind: 'path', path: `/proc/${holder.pid}/ns/net` } },
      });
      expect(result.stdout).toBe(String(name));
    } finally {
      holder.kill();
    }
  });
});

describe('the seccomp cache (needs root and crun)', () => {
  const crun = runtimes.available.get('crun');

  test.skipIf(!isRoot || crun === undefined)(
    'starts containers with the filter that crun compiled before',
    async () => {
      const runtime = requireRuntime(runtimes, 'crun');
      const directory = join(folder, 'cache');
      const cache = new SeccompCache(directory, host);
      const spec = containerSpec(inputFor('sleep 1000'), host).value;
      expect(await cache.apply(spec, runtime)).toBe(spec);
      await withContainer(runtime, spec, (stateDirectory) => cache.learn(spec, runtime, stateDirectory));
      expect(await readdir(directory)).toHaveLength(1);

      const reader = new SeccompCache(directory, host);
      const next = containerSpec(inputFor('grep Seccomp: /proc/1/status; unshare -U true'), host).value;
      const cached = await reader.apply(next, runtime);
      expect(cached.annotations?.[SECCOMP_ANNOTATION]).toMatch(/^[A-Za-z0-9+/]+=*$/);
      expect(cached.linux.seccomp).toBe(next.linux.seccomp);
      const result = await runSpec(runtime, cached);
      expect(result.stdout).toMatch(/^Seccomp:\s+2$/m);
      expect(result.stderr).toMatch(/Operation not permitted/);
    },
  );

  test.skipIf(!isRoot || crun === undefined)(
    'keeps filters apart by capabilities, and from other runtimes',
    async () => {
      const runtime = requireRuntime(runtimes, 'crun');
      const cache = new SeccompCache(join(folder, 'cache'), host);
      const other = { ...inputFor('true'), capabilities: { add: ['SYS_ADMIN'], drop: [] } };
      const spec = containerSpec(other, host).value;
      expect(await cache.apply(spec, runtime)).toBe(spec);
      const runc = { ...runtime, name: 'runc' };
      const plain = containerSpec(inputFor('true'), host).value;
      expect(await cache.apply(plain, runc)).toBe(plain);
    },
  );

  test('nobody else may set the compiled filter', () => {
    const annotations = { [SECCOMP_ANNOTATION]: 'AAAA' };
    expect(() => containerSpec({ ...inputFor('true'), annotations }, host)).toThrow('cannot be set');
  });
});

describe('containerSpec', () => {
  test('an init becomes PID 1 before the command', () => {
    const { value } = containerSpec({ ...inputFor('true'), init: '/usr/bin/tini' }, host);
    expect(value.process.args.slice(0, 3)).toEqual(['/sbin/docker-init', '--', '/bin/sh']);
    expect(value.mounts).toContainEqual(
      expect.objectContaining({ source: '/usr/bin/tini', destination: '/sbin/docker-init' }),
    );
  });

  test('an empty command and a relative working directory are refused', () => {
    expect(() => processSpec({ ...inputFor('true'), args: [] }, host)).toThrow('no command specified');
    expect(() => processSpec({ ...inputFor('true'), cwd: 'here' }, host)).toThrow(
      "the working directory 'here' is invalid, it needs to be an absolute path",
    );
  });
});

const newNamespaces: ContainerSpecInput['namespaces'] = {
  network: { kind: 'new' },
  pid: { kind: 'new' },
  ipc: { kind: 'new' },
  uts: { kind: 'new' },
  cgroup: { kind: 'host' },
};

/** A root whose programs are the host's, so that no image is needed. */
async function makeRoot(root: string): Promise<void> {
  for (const name of ['usr', 'tmp', 'mnt', 'etc', 'root']) await mkdir(join(root, name), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(root, name));
}

function hostPrograms(): ContainerSpecInput['mounts'] {
  return [{ kind: 'bind', source: '/usr', destination: '/usr', readOnly: true }];
}

function inputFor(script: string): ContainerSpecInput {
  return {
    id: newContainerId(),
    instance,
    root: join(folder, 'root'),
    readOnlyRoot: false,
    args: ['/bin/sh', '-c', script],
    env: [],
    cwd: '',
    user: resolveUser('', accounts),
    terminal: false,
    hostname: 'spec-test',
    capabilities: { add: [], drop: [] },
    privileged: false,
    noNewPrivileges: false,
    ulimits: [],
    mounts: hostPrograms(),
    shm: join(folder, 'shm'),
    namespaces: newNamespaces,
    seccomp: { kind: 'default' },
    resources: {},
    oomScoreAdj: 0,
    sysctls: {},
    devices: [],
    deviceRules: [],
    annotations: {},
    init: undefined,
  };
}

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function runScript(
  runtime: OciRuntime | undefined,
  script: string,
  changes: Partial<ContainerSpecInput>,
): Promise<Output> {
  if (runtime === undefined) throw new Error('the runtime is not installed');
  return runSpec(runtime, containerSpec({ ...inputFor(script), ...changes }, host).value);
}

async function runSpec(runtime: OciRuntime, spec: object): Promise<Output> {
  const { bundle, id } = await writeBundle(spec);
  const result: RunResult = await run(runtime.path, [
    '--root',
    join(folder, 'state'),
    'run',
    '--bundle',
    bundle,
    id,
  ]);
  return { ...result, stdout: result.stdout.toString() };
}

/** Creates the container without starting its program, and removes it afterwards. */
async function withContainer(
  runtime: OciRuntime,
  spec: object,
  work: (stateDirectory: string) => Promise<void>,
): Promise<void> {
  const { bundle, id } = await writeBundle(spec);
  const state = join(folder, 'state');
  // Not run(): the container would keep the pipes open.
  const created = await run('sh', [
    '-c',
    'exec "$@" < /dev/null > /dev/null 2> /dev/null',
    'sh',
    runtime.path,
    '--root',
    state,
    'create',
    '--bundle',
    bundle,
    id,
  ]);
  expect(created.code).toBe(0);
  try {
    await work(join(state, id));
  } finally {
    await run(runtime.path, ['--root', state, 'delete', '--force', id]);
  }
}

async function writeBundle(spec: object): Promise<{ bundle: string; id: string }> {
  const id = `berth-test-${newContainerId().slice(0, 12)}`;
  const bundle = join(folder, id);
  await mkdir(bundle);
  await writeFile(join(bundle, 'config.json'), JSON.stringify(spec));
  return { bundle, id };
}

/** Mount options by mount point, from mountinfo; a later mount hides an earlier one. */
function mountOptions(text: string): Map<string, string[]> {
  const lines = text.split('\n').filter((line) => line.includes(' - '));
  return new Map(
    lines.map((line) => {
      const fields = line.split(' ');
      return [fields[4] ?? '', (fields[5] ?? '').split(',')];
    }),
  );
}

/** OCI runtimes remove a container's cgroup, but not the instance's above it. */
async function removeCgroups(): Promise<void> {
  for (const hierarchy of ['', ...(await readdir('/sys/fs/cgroup').catch(() => []))]) {
    await rmdir(join('/sys/fs/cgroup', hierarchy, `berth-${instance}`)).catch(() => {});
  }
}
