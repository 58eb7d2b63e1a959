import { type Digest, familiar, notFound } from '../../base/index.ts';
import type { Removal } from '../../engine/index.ts';
import { type Platform, platformName, runsOn } from '../../registry/index.ts';
import type { Descriptor, Image } from '../../store/index.ts';

export function familiarTags(image: Image): string[] {
  return image.tags.map(familiar);
}

/** What is known of an image beside the image itself. */
export interface ImageFacts {
  /** Ids of the containers that were made from it. */
  readonly containers: readonly string[];
  /** Bytes that other images have, too; undefined where it was not asked for. */
  readonly shared?: number | undefined;
  readonly manifests?: boolean;
}

/** One row of GET /images/json (Engine API, ImageSummary). */
export function imageSummary(image: Image, facts: ImageFacts) {
  return {
    Id: image.id,
    ParentId: '',
    ...descriptorMember(image),
    ...(facts.manifests === true ? { Manifests: imageManifests(image, facts.containers) } : {}),
    RepoTags: familiarTags(image),
    RepoDigests: image.repoDigests.map(familiar),
    Created: unixTime(image.config.created),
    Size: image.size,
    SharedSize: facts.shared ?? -1,
    Labels: image.config.config?.Labels ?? null,
    Containers: facts.containers.length,
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
    ...(facts.manifests === true ? { Manifests: imageManifests(image, facts.containers) } : {}),
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

/** The manifest that the image came with or was pushed as, where it has one. */
function descriptorMember({ manifest }: Image) {
  if (manifest === undefined) return {};
  const { mediaType, digest, size, annotations } = manifest;
  return { Descriptor: { mediaType, digest, size, ...(annotations === undefined ? {} : { annotations }) } };
}

/** Config blobs have no media type of their own in the store: Docker's and OCI's are the same bytes. */
const CONFIG = 'application/vnd.oci.image.config.v1+json';

/**
 * The platforms of an image (Engine API, ImageManifestSummary): one, as the store holds no index. An image that was made
 * here has no manifest before it is pushed; its config stands for it.
 */
function imageManifests(image: Image, containers: readonly string[]) {
  const config = { mediaType: CONFIG, digest: image.id, size: image.configBytes.length };
  const { mediaType, digest, size } = image.manifest ?? config;
  const content = contentSize(image, [image.manifest, config]);
  const { os, architecture, variant } = image.config;
  return [
    {
      ID: digest,
      Descriptor: { mediaType, digest, size },
      Available: true,
      Size: { Content: content, Total: content + image.size },
      Kind: 'image',
      ImageData: {
        Platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
        Size: { Unpacked: image.size },
        Containers: containers.length === 0 ? null : containers,
      },
    },
  ];
}

/** Bytes of an image's blobs: manifest, config and compressed layers, each once. */
function contentSize({ layerBlobs }: Image, others: readonly (Descriptor | undefined)[]): number {
  const sizes = new Map<Digest, number>();
  for (const blob of [...others, ...layerBlobs]) if (blob !== undefined) sizes.set(blob.digest, blob.size);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
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

/** Throws `not-found`, in Docker's words, unless the image is for the platform that was asked for. */
export function requireImagePlatform(name: string, { config }: Image, wanted: Platform | undefined): void {
  if (wanted === undefined || runsOn(config, wanted)) return;
  throw notFound(
    `image with reference ${name} was found but does not provide the specified platform (${platformName(wanted)})`,
  );
}

/** One row of the answer to a deletion (Engine API, ImageDeleteResponseItem). */
export function deletion(removal: Removal) {
  return 'untagged' in removal ? { Untagged: removal.untagged } : { Deleted: removal.deleted };
}

function unixTime(text: string | undefined): number {
  const milliseconds = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
}
