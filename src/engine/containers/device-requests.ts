import { type DeviceCatalogue, readDevices, wishedDevices } from '../../runtime/index.ts';
import type { HostOptions } from './container.ts';
import type { ContainerContext } from './context.ts';

/** The devices of this host's CDI specifications, and the names of those that a container asks for. */
export interface RequestedDevices extends DeviceCatalogue {
  readonly names: readonly string[];
}

const NOTHING: RequestedDevices = { kinds: new Map(), devices: new Map(), warnings: [], names: [] };

/** Reads the specifications anew each time, but only for a container that asks. Throws `invalid` for what there is not. */
export async function requestedDevices(
  { parts }: ContainerContext,
  { deviceRequests = [] }: HostOptions,
): Promise<RequestedDevices> {
  if (deviceRequests.length === 0) return NOTHING;
  const catalogue = await readDevices(parts.settings.cdiFolders);
  return { ...catalogue, names: deviceRequests.flatMap((wish) => wishedDevices(catalogue, wish)) };
}
