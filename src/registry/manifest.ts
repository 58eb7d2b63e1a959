import { type Digest, invalid, isDigest } from '../base/index.ts';
import type { Platform, PlatformDescriptor, RemoteDescriptor } from './contract.ts';

const INDEX_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const CONFIG_TYPES = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
const LAYER_TYPE =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(?:\.gzip|\.zstd)?)$/;

/** What to ask registries for. */
export const ACCEPTED_MANIFESTS = [...MANIFEST_TYPES, ...INDEX_TYPES].join(', ');

/** A manifest of one image, or an index of several. */
export type Manifest =
  | { readonly kind: 'index'; readonly mediaType: string; readonly entries: readonly PlatformDescriptor[] }
  | {
      readonly kind: 'image';
      readonly mediaType: string;
      readonly config: RemoteDescriptor;
      readonly layers: readonly RemoteDescriptor[];
    };

/**
 * A manifest from its bytes and the Content-Type that it came with. Throws `invalid` for schema 1, for things that are
 * no images and for what is malformed.
 */
export function parseManifest(bytes: Buffer, contentType: string | undefined, name: string): Manifest {
  const value = parseJson(bytes, name);
  const mediaType =
    typeof value.mediaType === 'string' ? value.mediaType : (contentType?.split(';')[0]?.trim() ?? '');
  if (value.schemaVersion === 1 || /docker\.distribution\.manifest\.v1\+/.test(mediaType)) {
    throw invalid(`${name} is an image of the old format "schema 1", which is not supported`, {
      hint: 'Push it again with a current client',
    });
  }
  if (INDEX_TYPES.includes(mediaType) || (mediaType === '' && Array.isArray(value.manifests))) {
    return {
      kind: 'index',
      mediaType,
      entries: list(value.manifests, 'manifests', name).map((it) => entry(it, name)),
    };
  }
  if (!MANIFEST_TYPES.includes(mediaType)) {
    throw invalid(`${name} has the media type "${mediaType}", which is no image`);
  }
  const config = descriptor(value.config, name);
  if (!CONFIG_TYPES.includes(config.mediaType)) {
    throw invalid(`${name} is no container image: its config has the media type "${config.mediaType}"`);
  }
  const layers = list(value.layers, 'layers', name).map((it) => descriptor(it, name));
  for (const layer of layers) {
    if (!LAYER_TYPE.test(layer.mediaType)) {
      throw invalid(`${name} has a layer of the media type "${layer.mediaType}", which is not supported`);
    }
  }
  return { kind: 'image', mediaType, config, layers };
}

function parseJson(bytes: Buffer, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (isObject(value)) return value;
  } catch (error) {
    throw invalid(`the manifest of ${name} is no JSON`, { cause: error });
  }
  throw invalid(`the manifest of ${name} is no JSON object`);
}

function entry(value: unknown, name: string): PlatformDescriptor {
  const { platform: given, annotations }: Record<string, unknown> = isObject(value) ? value : {};
  const described = { ...descriptor(value, name), platform: platform(given) };
  return isObject(annotations) ? { ...described, annotations: texts(annotations) } : described;
}

function texts(members: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members).flatMap(([key, text]) => (typeof text === 'string' ? [[key, text]] : [])),
  );
}

function platform(value: unknown): Platform | undefined {
  if (!isObject(value) || typeof value.os !== 'string' || typeof value.architecture !== 'string')
    return undefined;
  const { os, architecture, variant, 'os.version': version, 'os.features': features } = value;
  return {
    os,
    architecture,
    ...(typeof variant === 'string' ? { variant } : {}),
    ...(typeof version === 'string' ? { 'os.version': version } : {}),
    ...(isTextList(features) ? { 'os.features': features } : {}),
  };
}

function descriptor(value: unknown, name: string): RemoteDescriptor {
  if (isObject(value)) {
    const { mediaType, digest, size } = value;
    if (
      typeof mediaType === 'string' &&
      isDigestText(digest) &&
      Number.isSafeInteger(size) &&
      Number(size) >= 0
    ) {
      return { mediaType, digest, size: Number(size) };
    }
  }
  throw invalid(`the manifest of ${name} has a malformed descriptor`);
}

function list(value: unknown, member: string, name: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`the manifest of ${name} has no list "${member}"`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isDigestText(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value);
}
