import type { Volume } from '../../engine/index.ts';

/** GET /volumes/{name} (Engine API, Volume). */
export function volumeInspect(volume: Volume) {
  return {
    CreatedAt: volume.createdAt,
    Driver: 'local',
    Labels: volume.labels,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: null,
    Scope: 'local',
  };
}
