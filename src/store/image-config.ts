import { invalid, isDigest } from '../base/index.ts';
import type { ImageConfig } from './contract.ts';

/**
 * An image's config from its bytes (OCI image-spec, config.md; Docker's are the same where it matters). Throws `invalid`
 * with what is wrong; members that berth does not know are kept.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const value = parseJson(bytes);
  if (!isObject(value)) throw invalid('invalid image config: it is no JSON object');
  const { architecture, os, rootfs, config, history, created } = value;
  if (typeof architecture !== 'string' || typeof os !== 'string') {
    throw invalid('invalid image config: "architecture" and "os" must be texts');
  }
  if (!isObject(rootfs) || rootfs.type !== 'layers' || !isDiffIds(rootfs.diff_ids)) {
    throw invalid('invalid image config: "rootfs" must list the diff IDs of its layers');
  }
  if (config !== undefined && config !== null && !isObject(config)) {
    throw invalid('invalid image config: "config" must be an object');
  }
  if (history !== undefined && history !== null && !Array.isArray(history)) {
    throw invalid('invalid image config: "history" must be a list');
  }
  if (created !== undefined && created !== null && typeof created !== 'string') {
    throw invalid('invalid image config: "created" must be a time');
  }
  // Docker writes null for what is not there.
  const present = Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));
  return { ...present, architecture, os, rootfs: { ...rootfs, type: 'layers', diff_ids: rootfs.diff_ids } };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw invalid('invalid image config: it is no JSON', { cause: error });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDiffIds(value: unknown): value is ImageConfig['rootfs']['diff_ids'] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && isDigest(item));
}
