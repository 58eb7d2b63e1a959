import { buffer } from 'node:stream/consumers';
import { digestOf, familiarName, invalid, type Reference } from '../../base/index.ts';
import type { Access, Platform, RegistryClient, RemoteDescriptor } from '../../registry/index.ts';
import { parseImageConfig } from '../../store/index.ts';

/** What a registry has under a name. */
export interface RegistryEntry {
  /** Of the index or the manifest that the name leads to. */
  readonly descriptor: RemoteDescriptor;
  readonly platforms: readonly Platform[];
}

/** Larger configs are not read for their platform. */
const MAX_CONFIG = 8 * 1024 * 1024;

/** Asks a registry for what it has under a name and for which platforms. Throws what it says, and `invalid` for a config that is wrong. */
export async function lookAtRegistry(
  registry: RegistryClient,
  reference: Reference,
  access: Access,
): Promise<RegistryEntry> {
  const manifest = await registry.manifest(reference, access);
  const { descriptor } = manifest;
  if (manifest.kind === 'index') {
    return { descriptor, platforms: manifest.entries.flatMap(({ platform }) => platform ?? []) };
  }
  const { config } = manifest;
  if (config.size > MAX_CONFIG) {
    throw invalid(`the config of ${familiarName(reference)} has ${config.size} bytes`);
  }
  const bytes = await buffer(await registry.fetchBlob(reference, config, access));
  if (digestOf(bytes) !== config.digest) {
    throw invalid(`the config of ${familiarName(reference)} does not have the digest ${config.digest}`);
  }
  const { architecture, os, variant } = parseImageConfig(bytes);
  return { descriptor, platforms: [{ architecture, os, ...(variant === undefined ? {} : { variant }) }] };
}
