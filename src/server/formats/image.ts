import { familiar } from '../../base/index.ts';
import type { ListedManifest, Removal } from '../../engine/index.ts';
import type { Image } from '../../store/index.ts';

export function familiarTags(image: Image): string[] {
  return image.tags.map(familiar);
}

/** What is known of an image beside the image itself. */
export interface ImageFacts {
  /** Ids of the containers that were made from an image. */
  readonly containersOf: (image: Image) => readonly string[];
  /** Bytes that other images have, too; undefined where it was not asked for. */
  readonly shared?: number | undefined;
  /** Undefined where they were not asked for. */
  readonly manifests?: readonly ListedManifest[] | undefined;
}

/** One row of GET /images/json (Engine API, ImageSummary). */
export function imageSummary(image: Image, facts: ImageFacts) {
  return {
    Id: image.id,
    ParentId: '',
    ...descriptorMember(image),
    ...manifestsMember(facts),
    RepoTags: familiarTags(image),
    RepoDigests: image.repoDigests.map(familiar),
    Created: unixTime(image.config.created),
    Size: image.size,
    SharedSize: facts.shared ?? -1,
    Labels: image.config.config?.Labels ?? null,
    Containers: facts.containersOf(image).length,
  };
}

/** What the API shows of members that an image leaves out. */
const UNSET_CONFIG = {
  User: '',
  Env: null,
  Cmd: null,
  Entrypoint: null,
  Volumes: null,
  WorkingDir: '',
  Labels: null,
  OnBuild: null,
};

const NEVER = '0001-01-01T00:00:00Z';

/** GET /images/{name}/json (Engine API, ImageInspect). */
export function imageInspect(image: Image, facts: ImageFacts) {
  const { config } = image;
  return {
    Id: image.id,
    ...descriptorMember(image),
    ...manifestsMember(facts),
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
    Metadata: { LastTagTime: image.taggedAt ?? NEVER },
  };
}

function manifestsMember({ manifests, containersOf }: ImageFacts) {
  if (manifests === undefined) return {};
  return { Manifests: manifests.map((manifest) => manifestSummary(manifest, containersOf)) };
}

/** The index or manifest that the image came with or was pushed as, where it has one. */
function descriptorMember({ index, manifest }: Image) {
  const target = index ?? manifest;
  if (target === undefined) return {};
  const { mediaType, digest, size } = target;
  return { Descriptor: { mediaType, digest, size } };
}

/** One manifest of an image (Engine API, ImageManifestSummary). */
function manifestSummary(
  { descriptor, kind, platform, image, content }: ListedManifest,
  containersOf: (image: Image) => readonly string[],
) {
  const unpacked = image?.size ?? 0;
  const containers = image === undefined ? [] : containersOf(image);
  return {
    ID: descriptor.digest,
    Descriptor: descriptor,
    Available: image !== undefined,
    Size: { Content: content, Total: content + unpacked },
    Kind: kind,
    ...(kind === 'image'
      ? {
          ImageData: {
            Platform: platform,
            Size: { Unpacked: unpacked },
            Containers: containers.length === 0 ? null : containers,
          },
        }
      : {}),
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
    const tags = familiarTags(image);
    last.Tags = tags.length === 0 ? null : tags;
  }
  return rows.reverse();
}

/** One row of the answer to a deletion (Engine API, ImageDeleteResponseItem). */
export function deletion(removal: Removal) {
  return 'untagged' in removal ? { Untagged: removal.untagged } : { Deleted: removal.deleted };
}

function unixTime(text: string | undefined): number {
  const milliseconds = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
}
