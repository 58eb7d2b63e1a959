import type { Script, Step } from '../script.ts';

const IMAGE = 'busybox:latest';

const create = (name: string, body: object): Step => ({
  name,
  request: 'POST /containers/create?name=compat-options',
  body: { Image: IMAGE, Cmd: ['sleep', '1000'], ...body },
});
const refused = (name: string, host: object): Step => ({
  name,
  request: 'POST /containers/create',
  body: { Image: IMAGE, Cmd: ['true'], HostConfig: host },
});
const mount = (options: object): object => ({
  Mounts: [{ Type: 'bind', Source: '/tmp', Target: '/x', ...options }],
});

/** Options of a container as the inspection shows them. */
export const options: Script = {
  name: 'options',
  steps: [
    create('create with modes', {
      Hostname: 'boat',
      Domainname: 'sea.example',
      User: 'nobody',
      StopSignal: 'SIGINT',
      HostConfig: {
        Annotations: { 'org.example': 'x' },
        CapAdd: ['CAP_NET_ADMIN'],
        CapDrop: ['CAP_CHOWN'],
        CgroupnsMode: 'private',
        CgroupParent: '/compat',
        DeviceCgroupRules: ['c 1:11 rm'],
        Devices: [{ PathOnHost: '/dev/zero', PathInContainer: '/dev/mine', CgroupPermissions: 'r' }],
        Dns: ['10.9.8.7'],
        DnsOptions: ['ndots:3'],
        DnsSearch: ['sea.example'],
        ExtraHosts: ['port:10.1.2.3'],
        GroupAdd: ['4242'],
        IpcMode: 'shareable',
        MaskedPaths: ['/proc/kcore'],
        MemorySwappiness: 10,
        OomScoreAdj: 500,
        PidMode: 'host',
        ReadonlyPaths: [],
        ReadonlyRootfs: true,
        SecurityOpt: ['no-new-privileges'],
        ShmSize: 8_000_000,
        Sysctls: { 'net.ipv4.ip_forward': '1' },
        UsernsMode: 'host',
        Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
        BlkioDeviceReadBps: [{ Path: '/dev/loop0', Rate: 1_000_000 }],
      },
    }),
    { name: 'inspect modes', request: 'GET /containers/compat-options/json' },
    { name: 'remove', request: 'DELETE /containers/compat-options?v=1' },
    create('create with mounts', {
      HostConfig: {
        Binds: ['/etc:/a:ro', 'compat-volume:/b:nocopy'],
        Tmpfs: { '/t': 'size=1m' },
        Mounts: [
          {
            Type: 'bind',
            Source: '/tmp',
            Target: '/c',
            ReadOnly: true,
            BindOptions: { Propagation: 'rslave' },
          },
          { Type: 'volume', Source: 'compat-volume', Target: '/d', VolumeOptions: { NoCopy: true } },
          { Type: 'tmpfs', Target: '/e', TmpfsOptions: { SizeBytes: 1_000_000, Mode: 0o700 } },
        ],
      },
    }),
    { name: 'inspect mounts', request: 'GET /containers/compat-options/json' },
    { name: 'remove again', request: 'DELETE /containers/compat-options?v=1' },
    { name: 'remove the volume', request: 'DELETE /volumes/compat-volume' },
    create('create with an image', {
      HostConfig: {
        Mounts: [{ Type: 'image', Source: IMAGE, Target: '/image', ImageOptions: { Subpath: 'bin' } }],
      },
    }),
    { name: 'inspect the image', request: 'GET /containers/compat-options/json' },
    { name: 'remove the one with an image', request: 'DELETE /containers/compat-options' },
  ],
};

/** Options that create refuses, and in which words. */
export const badOptions: Script = {
  name: 'bad-options',
  steps: [
    refused('CPUs', { NanoCpus: 9_000_000_000_000 }),
    refused('CPU set', { CpusetCpus: '4000' }),
    refused('swappiness', { MemorySwappiness: 101 }),
    refused('score', { OomScoreAdj: 2000 }),
    refused('shm', { ShmSize: -1 }),
    refused('process mode', { PidMode: 'x' }),
    refused('IPC mode', { IpcMode: 'x' }),
    refused('UTS mode', { UTSMode: 'x' }),
    refused('control group mode', { CgroupnsMode: 'x' }),
    refused('isolation', { Isolation: 'hyperv' }),
    refused('runtime', { Runtime: 'compat-no-runtime' }),
    refused('process mode of unknown', { PidMode: 'container:compat-nobody' }),
    refused('volumes from unknown', { VolumesFrom: ['compat-nobody'] }),
    refused('capability', { CapAdd: ['FLYING'] }),
    refused('security option', { SecurityOpt: ['bogus=1'] }),
    refused('security option without value', { SecurityOpt: ['bogus'] }),
    refused('host without address', { ExtraHosts: ['port'] }),
    refused('host of a wrong address', { ExtraHosts: ['port:north'] }),
    refused('resolver', { Dns: ['north'] }),
    refused('annotation', { Annotations: { '': 'x' } }),
    refused('bind mode', { Binds: ['/tmp:/x:bogus'] }),
    refused('bind of four parts', { Binds: ['/a:/b:c:d'] }),
    refused('bind to a relative path', { Binds: ['/tmp:x'] }),
    refused('bind to the root', { Binds: ['/tmp:/'] }),
    refused('two binds to one place', { Binds: ['/tmp:/x', '/tmp:/x'] }),
    refused('tmpfs at a relative path', { Tmpfs: { x: '' } }),
    refused('mount of an unknown type', mount({ Type: 'bogus' })),
    refused('mount without a source', mount({ Source: '' })),
    refused('mount with options of another type', mount({ VolumeOptions: {} })),
    refused('mount with a wrong propagation', mount({ BindOptions: { Propagation: 'bogus' } })),
    refused('tmpfs with a source', mount({ Type: 'tmpfs', Source: 'a' })),
    refused(
      'tmpfs with a wrong option',
      mount({ Type: 'tmpfs', Source: '', TmpfsOptions: { Options: [['bogus']] } }),
    ),
    refused(
      'subpath that leads out',
      mount({ Type: 'volume', Source: 'v', VolumeOptions: { Subpath: '../x' } }),
    ),
    refused('subpath of no volume', mount({ Type: 'volume', Source: '', VolumeOptions: { Subpath: 'x' } })),
    refused('volume name', mount({ Type: 'volume', Source: 'a b' })),
    {
      name: 'variable without a name',
      request: 'POST /containers/create',
      body: { Image: IMAGE, Cmd: ['true'], Env: ['=x'] },
    },
    {
      name: 'stop signal',
      request: 'POST /containers/create',
      body: { Image: IMAGE, Cmd: ['true'], StopSignal: 'bogus' },
    },
    {
      name: 'host name in the UTS namespace of the host',
      request: 'POST /containers/create',
      body: { Image: IMAGE, Cmd: ['true'], Hostname: 'boat', HostConfig: { UTSMode: 'host' } },
    },
    refused('resolvers in the network of another', { NetworkMode: 'container:x', Dns: ['1.1.1.1'] }),
    refused('ports in the network of another', {
      NetworkMode: 'container:x',
      PortBindings: { '80/tcp': [{ HostPort: '80' }] },
    }),
    create('create for names', {}),
    { name: 'its own name', request: 'POST /containers/compat-options/rename?name=compat-options' },
    { name: 'no name', request: 'POST /containers/compat-options/rename?name=' },
    { name: 'wrong name', request: 'POST /containers/compat-options/rename?name=a%20b' },
    { name: 'pause created', request: 'POST /containers/compat-options/pause' },
    { name: 'unpause created', request: 'POST /containers/compat-options/unpause' },
    { name: 'remove', request: 'DELETE /containers/compat-options' },
  ],
};
