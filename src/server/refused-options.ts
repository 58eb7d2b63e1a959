import { type BerthError, notImplemented } from '../base/index.ts';
import type { Fields } from './fields.ts';

/** Options of HostConfig that berth does not have yet, with how to tell that one is set. */
const REFUSED: Readonly<Record<string, (host: Fields, name: string) => boolean>> = {
  Links: isList,
  DeviceCgroupRules: isList,
  DeviceRequests: isObjectList,
  StorageOpt: isMap,
  UsernsMode: isText,
  CgroupParent: isText,
  Cgroup: isText,
  VolumeDriver: (host, name) => isText(host, name) && host.text(name) !== 'local',
  BlkioWeightDevice: isObjectList,
  BlkioDeviceReadBps: isObjectList,
  BlkioDeviceWriteBps: isObjectList,
  BlkioDeviceReadIOps: isObjectList,
  BlkioDeviceWriteIOps: isObjectList,
  CpuRealtimePeriod: isNumber,
  CpuRealtimeRuntime: isNumber,
  OomKillDisable: (host, name) => host.flag(name),
};

/** Options are refused by name rather than ignored: what `inspect` shows, the container feels. */
export function refuseMissingOptions(body: Fields): void {
  const host = body.object('HostConfig');
  for (const [name, isSet] of Object.entries(REFUSED))
    if (isSet(host, name)) throw refused(`HostConfig.${name}`);
  const cgroupns = host.text('CgroupnsMode');
  if (cgroupns !== '' && cgroupns !== 'private') throw refused(`HostConfig.CgroupnsMode "${cgroupns}"`);
  const isolation = host.text('Isolation');
  if (isolation !== '' && isolation !== 'default') throw refused(`HostConfig.Isolation "${isolation}"`);
}

function refused(what: string): BerthError {
  return notImplemented(`berth does not have the option ${what} yet`, { hint: 'Leave it out' });
}

function isList(host: Fields, name: string): boolean {
  return host.texts(name).length > 0;
}

function isObjectList(host: Fields, name: string): boolean {
  return host.objects(name).length > 0;
}

function isMap(host: Fields, name: string): boolean {
  return host.object(name).names().length > 0;
}

function isText(host: Fields, name: string): boolean {
  return host.text(name) !== '';
}

function isNumber(host: Fields, name: string): boolean {
  return host.number(name) !== 0;
}
