import { expect, test } from 'vitest';
import { ALL_CAPABILITIES } from './capabilities.ts';
import golden from './dockerd-specs.golden.json' with { type: 'json' };
import type { HostFacts } from './host-facts.ts';
import { type ContainerSpecInput, containerSpec } from './oci-spec.ts';
import { resolveUser } from './users.ts';

/*
 * The golden specs are what dockerd 29 (API 1.56) gave its runtime, on a kernel with cgroups v1, for
 *
 *     docker run -d --network none … IMAGE /bin/sleep 1000
 *
 * default:    nothing more
 * limited:    -m 64m --memory-reservation 32m --cpus 0.5 --pids-limit 50 --cpu-shares 512 --cpuset-cpus 0
 *             --cap-add NET_ADMIN --cap-drop CHOWN --read-only --tmpfs /t:size=1m,exec -v /etc:/mnt/etc:ro -u www -w /work
 *             -e A=b --ulimit nofile=100:200 --oom-score-adj 100 --sysctl net.core.somaxconn=200
 *             --device /dev/zero:/dev/mine:r --security-opt no-new-privileges -h box
 * privileged: --privileged --ipc host --uts host --pid host (its devices, which are the host's, are left out)
 *
 * The seccomp filter is left out of them: seccomp.test.ts is about it.
 */

const accounts = {
  passwd: 'root:x:0:0::/root:\nwww:x:33:33::/var/www:\n',
  group: 'www:x:33:\nextra:x:44:www,root\n',
};

const host: HostFacts = {
  architecture: 'amd64',
  kernel: '6.18.0',
  capabilities: ALL_CAPABILITIES.filter((name) => name !== 'CAP_SYS_RESOURCE'),
  hardLimits: {},
  cgroups: {
    version: 1,
    memory: true,
    swap: true,
    cpu: true,
    cpuset: true,
    pids: true,
    blkioWeight: false,
    oomKillDisable: true,
    cpuCount: 2,
    cpus: '0-1',
    mems: '0',
  },
  thermalFolders: [],
};

const file = (name: string) =>
  ({ kind: 'bind', source: `/files/${name}`, destination: `/etc/${name}`, readOnly: false }) as const;
const isNew = { kind: 'new' } as const;
const isHost = { kind: 'host' } as const;

const plain: ContainerSpecInput = {
  id: '<id>',
  instance: 'unused',
  cgroupParent: '/docker',
  root: 'rootfs',
  readOnlyRoot: false,
  args: ['/bin/sleep', '1000'],
  env: [],
  cwd: '',
  user: resolveUser('', accounts),
  terminal: false,
  hostname: '<short-id>',
  capabilities: { add: [], drop: [] },
  privileged: false,
  noNewPrivileges: false,
  ulimits: [],
  mounts: [file('hostname'), file('hosts'), file('resolv.conf')],
  shm: '/dev/shm',
  namespaces: { network: isNew, pid: isNew, ipc: isNew, uts: isNew, cgroup: isHost },
  seccomp: { kind: 'default' },
  resources: {},
  oomScoreAdj: 0,
  sysctls: {},
  devices: [],
  deviceRules: [],
  annotations: {},
  init: undefined,
};

const zero = { path: '/dev/mine', type: 'c', major: 1, minor: 5, fileMode: 0o666, uid: 0, gid: 0 } as const;

const inputs: Readonly<Record<keyof typeof golden, ContainerSpecInput>> = {
  default: plain,
  limited: {
    ...plain,
    readOnlyRoot: true,
    user: resolveUser('www', accounts),
    cwd: '/work',
    env: ['A=b'],
    hostname: 'box',
    noNewPrivileges: true,
    capabilities: { add: ['NET_ADMIN'], drop: ['CHOWN'] },
    ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
    resources: {
      memory: 64 * 1024 * 1024,
      memoryReservation: 32 * 1024 * 1024,
      nanoCpus: 5e8,
      cpuShares: 512,
      cpusetCpus: '0',
      pidsLimit: 50,
    },
    oomScoreAdj: 100,
    sysctls: { 'net.core.somaxconn': '200' },
    devices: [{ node: zero, access: 'r' }],
    mounts: [
      { kind: 'tmpfs', destination: '/t', options: ['size=1m', 'exec'] },
      ...plain.mounts.map((mount) => ({ ...mount, readOnly: true })),
      { kind: 'bind', source: '/etc', destination: '/mnt/etc', readOnly: true },
    ],
  },
  privileged: {
    ...plain,
    privileged: true,
    namespaces: { ...plain.namespaces, pid: isHost, ipc: isHost, uts: isHost },
  },
};

test.each(['default', 'limited', 'privileged'] as const)(
  'a %s container is described as dockerd does',
  (name) => {
    const { value } = containerSpec(inputs[name], host);
    expect(comparable(value)).toEqual(comparable(golden[name]));
  },
);

/** What both specs share, without the differences that stay. */
function comparable(spec: object): unknown {
  const text = JSON.stringify(spec, (key, value: unknown) => {
    if (DIFFERENT.has(key) || isDefault(value)) return undefined;
    if (key === 'env' && isTextList(value)) return value.filter((entry) => !entry.startsWith('HOME='));
    if (key === 'options' && isTextList(value)) return value.toSorted();
    if (key === 'namespaces' && Array.isArray(value)) return value.filter(({ type }) => type !== 'time');
    if (key === 'mounts' && Array.isArray(value))
      return value.filter(({ destination }) => destination !== '/dev/shm');
    if (key === 'devices' && Array.isArray(value)) return value.filter(isFirstOfItsKind);
    return value;
  });
  return JSON.parse(text);
}

/**
 * The specification's version: ours is one that crun 1.8 knows. Paths of the engines' own. HOME, which dockerd leaves to the
 * runtime. No time namespaces, which that version does not have. /dev/shm, which is the supervisor's.
 */
const DIFFERENT = new Set(['ociVersion', 'root', 'source', 'seccomp']);

/** dockerd repeats the default rules, and begins with them also when everything is allowed. */
function isFirstOfItsKind(rule: object, index: number, rules: object[]): boolean {
  const allowsAll = JSON.stringify({ allow: true, access: 'rwm' });
  if (rules.some((one) => JSON.stringify(one) === allowsAll)) return JSON.stringify(rule) === allowsAll;
  return rules.findIndex((one) => JSON.stringify(one) === JSON.stringify(rule)) === index;
}

/** False, or an object of nothing else: dockerd writes some such. */
function isDefault(value: unknown): boolean {
  return (
    value === false || (typeof value === 'object' && value !== null && Object.values(value).every(isDefault))
  );
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}
