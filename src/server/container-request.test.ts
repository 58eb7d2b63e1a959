import { describe, expect, it } from 'vitest';
import { parseNewContainer } from './container-request.ts';
import { Fields } from './fields.ts';

const parse = (body: object) => parseNewContainer('', new Fields({ Image: 'busybox', ...body }));

describe('a request to create a container', () => {
  it('is completed with defaults', () => {
    const { config, host, networks } = parse({});
    expect(config).toMatchObject({
      image: 'busybox',
      cmd: undefined,
      entrypoint: undefined,
      env: [],
      tty: false,
    });
    expect(host).toMatchObject({
      networkMode: 'default',
      restart: { name: 'no' },
      shmSize: 64 * 1024 * 1024,
    });
    expect(networks).toEqual([{ network: 'bridge', aliases: [], address: undefined, macAddress: undefined }]);
  });

  it('takes a lone string as a list of one, and an empty list as unset', () => {
    expect(parse({ Cmd: 'ls', Entrypoint: [] }).config).toMatchObject({ cmd: ['ls'], entrypoint: undefined });
  });

  it.each([
    ['80/tcp', [{ HostPort: '8000' }], { protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 8000 }],
    [
      '53/UDP',
      [{ HostIp: '127.0.0.1', HostPort: '' }],
      { protocol: 'udp', containerPort: 53, hostIp: '127.0.0.1', hostPort: 0 },
    ],
  ])('parses the port binding %s', (key, bindings, expected) => {
    expect(parse({ HostConfig: { PortBindings: { [key]: bindings } } }).host.ports).toEqual([expected]);
  });

  it.each([
    ['/src:/dst', { type: 'bind', source: '/src', target: '/dst', readOnly: false, createSource: true }],
    ['/src:/dst:ro,rshared', { type: 'bind', readOnly: true, propagation: 'rshared' }],
    ['name:/dst', { type: 'volume', source: 'name', noCopy: false }],
    ['name:/dst:ro,nocopy', { type: 'volume', readOnly: true, noCopy: true }],
  ])('parses the bind %s', (bind, expected) => {
    expect(parse({ HostConfig: { Binds: [bind] } }).host.mounts[0]).toMatchObject(expected);
  });

  it.each([
    [{ HostConfig: { StorageOpt: { size: '10g' } } }, 'HostConfig.StorageOpt "size"'],
    [{ HostConfig: { CpuRealtimeRuntime: 950 } }, 'HostConfig.CpuRealtimeRuntime'],
    [{ HostConfig: { LogConfig: { Type: 'gelf' } } }, 'gelf'],
  ])('refuses by name what is not there yet: %j', (body, name) => {
    expect(() => parse(body)).toThrow(name);
  });

  it.each([
    [{ Env: 'A=b', Tty: 'yes' }, 'Tty must be a boolean'],
    [{ HostConfig: { Memory: 'much' } }, 'HostConfig.Memory must be a number'],
    [{ HostConfig: { Binds: ['nothing'] } }, "invalid volume specification: 'nothing'"],
    [{ HostConfig: { Mounts: [{ Type: 'bind', Source: '/a' }] } }, 'Target must not be empty'],
    [{ ExposedPorts: { '0/tcp': {} } }, 'invalid port specification: "0/tcp"'],
    [{ Env: ['=x'] }, 'invalid environment variable: =x'],
    [{ Volumes: { x: {} } }, "invalid mount path: 'x' mount path must be absolute"],
    [{ HostConfig: { Binds: ['/a:/b:ro,rw'] } }, 'invalid mode: ro,rw'],
    [{ HostConfig: { Binds: ['/a:/b:bogus'] } }, 'invalid mode: bogus'],
    [{ HostConfig: { Binds: ['v:/b:rshared'] } }, 'invalid mode: rshared'],
    [{ HostConfig: { Binds: ['/a:/b:c:d'] } }, "invalid volume specification: '/a:/b:c:d'"],
    [
      { HostConfig: { Binds: ['/a:b'] } },
      `invalid volume specification: '/a:b': invalid mount config for type "bind": invalid mount path: 'b'`,
    ],
    [{ HostConfig: { Tmpfs: { x: '' } } }, "invalid mount path: 'x' mount path must be absolute"],
    [
      { HostConfig: { Mounts: [{ Type: 'bind', Source: '/a', Target: '/b', VolumeOptions: {} }] } },
      'VolumeOptions must not be specified on mount type "bind"',
    ],
    [
      {
        HostConfig: {
          Mounts: [{ Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'x' } }],
        },
      },
      'invalid mount config for type "bind": invalid propagation mode: x',
    ],
    [
      {
        HostConfig: {
          Mounts: [{ Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath: '../x' } }],
        },
      },
      'subpath must be a relative path within the volume',
    ],
    [{ HostConfig: { Mounts: [{ Type: 'disk', Target: '/b' }] } }, 'for type "disk": mount type unknown'],
    [
      { HostConfig: { NetworkMode: 'none' }, NetworkingConfig: { EndpointsConfig: { none: {}, back: {} } } },
      'conflicting options: the network mode none and the network back',
    ],
    [{ HostConfig: { PidMode: 'other' } }, 'invalid PID mode: other'],
    [{ HostConfig: { IpcMode: 'container:' } }, 'invalid IPC mode: container:'],
    [{ HostConfig: { UsernsMode: 'private' } }, 'invalid USER mode: private'],
    [{ HostConfig: { CgroupnsMode: 'other' } }, 'invalid cgroup namespace mode: other'],
    [{ HostConfig: { CgroupParent: '/a/../..' } }, 'invalid cgroup-parent: "/a/../.."'],
    [{ HostConfig: { Isolation: 'hyperv' } }, 'invalid isolation (hyperv)'],
    [{ HostConfig: { Annotations: { '': 'x' } } }, 'invalid Annotations'],
    [{ HostConfig: { ExtraHosts: ['host'] } }, 'bad format for add-host: "host"'],
    [{ HostConfig: { ExtraHosts: ['host:here'] } }, 'invalid IP address in add-host: "here"'],
    [{ HostConfig: { Dns: ['here'] } }, 'HostConfig.Dns: "here" is no IP address'],
    [{ HostConfig: { PortBindings: { '80/tcp': [{ HostIp: 'here' }] } } }, '"here" is no IP address'],
    [{ Hostname: 'x', HostConfig: { UTSMode: 'host' } }, 'conflicting options: hostname and the UTS mode'],
    [
      { HostConfig: { NetworkMode: 'container:x', Dns: ['1.1.1.1'] } },
      'conflicting options: dns and the network mode',
    ],
    [
      { HostConfig: { NetworkMode: 'container:x', PublishAllPorts: true } },
      'conflicting options: port publishing and the container type network mode',
    ],
  ])('names the member that is wrong: %j', (body, message) => {
    expect(() => parse(body)).toThrow(message);
  });

  it('puts the network of the mode first, which has the default gateway', () => {
    const { networks } = parse({
      HostConfig: { NetworkMode: 'back' },
      NetworkingConfig: {
        EndpointsConfig: { front: { Aliases: ['web'] }, back: { IPAMConfig: { IPv4Address: '10.0.0.9' } } },
      },
    });
    expect(networks.map(({ network }) => network)).toEqual(['back', 'front']);
    expect(networks[0]?.address).toBe('10.0.0.9');
    expect(networks[1]?.aliases).toEqual(['web']);
  });
});
