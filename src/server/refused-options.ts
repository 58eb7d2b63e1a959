import { notImplemented } from '../base/index.ts';
import type { Fields } from './fields.ts';

/** Options are refused by name rather than ignored: what `inspect` shows, the container feels. */
export function refuseMissingOptions(body: Fields): void {
  const host = body.object('HostConfig');
  if (host.text('Cgroup') !== '') throw notImplemented('berth does not have the option HostConfig.Cgroup');
  refuseRealTime(host, 'HostConfig.');
}

/** `prefix` is the path of the object that the members are in. */
export function refuseRealTime(fields: Fields, prefix: string): void {
  const set = ['CpuRealtimePeriod', 'CpuRealtimeRuntime'].find((name) => fields.number(name) !== 0);
  if (set === undefined) return;
  throw notImplemented(`berth does not have the option ${prefix}${set}`, {
    hint: 'It needs a share of the real-time scheduler for all containers, which only cgroup v1 has and few kernels are built with',
  });
}
