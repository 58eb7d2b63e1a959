import { familiar } from '../../base/index.ts';
import type { Image } from '../../store/index.ts';

export function familiarTags(image: Image): string[] {
  return image.tags.map(familiar);
}

/** One row of GET /images/json (Engine API, ImageSummary). */
export function imageSummary(image: Image, containers: number) {
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: familiarTags(image),
    RepoDigests: image.repoDigests.map(familiar),
    Created: unixTime(image.config.created),
    Size: image.size,
    SharedSize: -1,
    Labels: image.config.config?.Labels ?? null,
    Containers: containers,
  };
}

/** What the API shows of members that an image leaves out. */
const UNSET_CONFIG = { User: '', Entrypoint: null, Volumes: null, WorkingDir: '', OnBuild: null };

/** GET /images/{name}/json (Engine API, ImageInspect). */
export function imageInspect(image: Image) {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: familiarTags(image),
    RepoDigests: image.repoDigests.map(familiar),
    Parent: '',
    Comment: config.history?.at(-1)?.comment ?? '',
    Created: config.created ?? '',
    DockerVersion: '',
    Author: config.author ?? '',
    Config: { ...UNSET_CONFIG, ...config.config },
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: image.size,
    GraphDriver: { Data: null, Name: 'overlayfs' },
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  };
}

/** GET /images/{name}/history: newest first; a layer's size stands with the step that made it. */
export function imageHistory(image: Image) {
  const layers = [...image.layers];
  const rows = (image.config.history ?? []).map((entry) => ({
    Id: '<missing>',
    Created: unixTime(entry.created),
    CreatedBy: entry.created_by ?? '',
    Tags: null as string[] | null,
    Size: entry.empty_layer === true ? 0 : (layers.shift()?.size ?? 0),
    Comment: entry.comment ?? '',
  }));
  const last = rows.at(-1);
  if (last !== undefined) {
    last.Id = image.id;
    last.Tags = familiarTags(image);
  }
  return rows.reverse();
}

function unixTime(text: string | undefined): number {
  const milliseconds = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
}
