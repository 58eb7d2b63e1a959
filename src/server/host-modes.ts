import { posix } from 'node:path';
import { invalid } from '../base/index.ts';
import type { ContainerConfig, DeviceRequest, HostOptions } from '../engine/index.ts';
import type { Fields } from './fields.ts';

type Modes = Pick<
  HostOptions,
  | 'networkMode'
  | 'pidMode'
  | 'ipcMode'
  | 'utsMode'
  | 'usernsMode'
  | 'cgroupnsMode'
  | 'cgroupParent'
  | 'runtime'
  | 'isolation'
>;

/** The namespaces and the control group in a HostConfig; throws `invalid` in Docker's words for a mode that there is not. */
export function parseModes(host: Fields): Modes {
  return {
    ...parseIsolation(host.text('Isolation'), host.text('Runtime')),
    networkMode: host.text('NetworkMode') || 'default',
    pidMode: mode(host, 'PidMode', 'PID', ['', 'host'], true),
    ipcMode: mode(host, 'IpcMode', 'IPC', ['', 'none', 'private', 'shareable', 'host'], true) || 'private',
    utsMode: mode(host, 'UTSMode', 'UTS', ['', 'host'], true),
    usernsMode: mode(host, 'UsernsMode', 'USER', ['', 'host'], false),
    cgroupnsMode: cgroupnsMode(host.text('CgroupnsMode')),
    cgroupParent: cgroupParent(host.text('CgroupParent')),
  };
}

/** The runtime "vm" means the same as the isolation, for clients that have no word for the latter on Linux. */
function parseIsolation(isolation: string, runtime: string): Pick<HostOptions, 'runtime' | 'isolation'> {
  if (isolation !== '' && isolation !== 'default' && isolation !== 'vm') throw unknownIsolation(isolation);
  if (isolation !== 'vm' && runtime !== 'vm') return { runtime: runtime || undefined };
  if (runtime !== '' && runtime !== 'vm') {
    throw invalid(`conflicting options: the isolation vm and the runtime ${runtime}`, {
      hint: 'A virtual machine is no container of an OCI runtime: leave --runtime out',
    });
  }
  return { runtime: undefined, isolation: 'vm' };
}

/** In Docker's words, and what berth has beside. */
export function unknownIsolation(isolation: string): Error {
  return invalid(`invalid isolation (${isolation}): linux only supports 'default'`, {
    hint: "berth also has 'vm', a virtual machine",
  });
}

function mode(
  host: Fields,
  member: string,
  title: string,
  words: readonly string[],
  joinsOthers: boolean,
): string {
  const text = host.text(member);
  if (words.includes(text) || (joinsOthers && /^container:./.test(text))) return text;
  throw invalid(`invalid ${title} mode: ${text}`);
}

function cgroupnsMode(text: string): '' | 'host' | 'private' {
  if (text === '' || text === 'host' || text === 'private') return text;
  throw invalid(`invalid cgroup namespace mode: ${text}`);
}

/** A path in the hierarchy of control groups, which never leads out of it. */
function cgroupParent(text: string): string {
  if (text === '') return '';
  if (text.endsWith('.slice')) {
    throw invalid(
      `invalid cgroup-parent: "${text}" is a slice of systemd, and berth makes its control groups itself`,
      {
        hint: 'Name a path, like /limits',
      },
    );
  }
  if (text.split('/').includes('..')) throw invalid(`invalid cgroup-parent: "${text}" must not contain ".."`);
  return posix.join('/', text);
}

/** Throws `invalid` for settings that a shared namespace makes void, in Docker's words (runconfig/hostconfig_unix.go). */
export function refuseContradictions(config: ContainerConfig, host: HostOptions): void {
  const conflicting = (what: string, mode: string) =>
    invalid(`conflicting options: ${what} and the ${mode} mode`);
  if (host.utsMode === 'host' && config.hostname !== '') throw conflicting('hostname', 'UTS');
  if (!host.networkMode.startsWith('container:')) return;
  const rules: readonly (readonly [boolean, string])[] = [
    [config.hostname !== '', 'hostname'],
    [host.dns.length > 0, 'dns'],
    [host.extraHosts.length > 0, 'custom host-to-IP mapping'],
  ];
  const broken = rules.find(([isBroken]) => isBroken);
  if (broken !== undefined) throw conflicting(broken[1], 'network');
  if (host.ports.length > 0 || host.publishAllPorts) {
    throw invalid('conflicting options: port publishing and the container type network mode');
  }
  if (config.exposedPorts.length > 0) {
    throw invalid('conflicting options: port exposing and the container type network mode');
  }
}

/** HostConfig.DeviceRequests. */
export function parseDeviceRequests(host: Fields): DeviceRequest[] {
  return host.objects('DeviceRequests').map((request) => ({
    driver: request.text('Driver'),
    count: request.number('Count'),
    deviceIds: request.texts('DeviceIDs'),
    capabilities: request.lists('Capabilities'),
  }));
}
