import { PassThrough, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  canonicalName,
  type Digest,
  invalid,
  isBerthError,
  notFound,
  parseDigest,
  parseReference,
  type Reference,
} from '../../base/index.ts';
import { RegistryCredentials } from '../../client/index.ts';
import {
  type Access,
  createRegistryClient,
  type RegistryClient,
  type RemoteDescriptor,
  type RemoteManifest,
} from '../../registry/index.ts';
import { encodeList, type ListEntry, type ListPlatform, listEntry, manifestOf } from './list-entry.ts';

/** What `manifest` asks registries for: by itself, as Docker's CLI does, with the user's own credentials. */
export class RegistryManifests {
  readonly #credentials: RegistryCredentials;
  readonly #isInsecure: boolean;
  readonly #clients = new Map<string, RegistryClient>();

  constructor(env: NodeJS.ProcessEnv, { insecure = false }: { readonly insecure?: boolean }) {
    this.#credentials = new RegistryCredentials(env);
    this.#isInsecure = insecure;
  }

  /** Throws `not-found` in Docker's words, and what the registry says otherwise. */
  async manifest(name: string): Promise<RemoteManifest> {
    const reference = parseReference(name);
    try {
      return await this.#client(reference).manifest(reference, await this.#access(reference));
    } catch (error) {
      if (!isBerthError(error, 'not-found')) throw error;
      throw notFound(`no such manifest: ${name} (${error.message})`, { cause: error });
    }
  }

  /** One image with its platform. Throws `invalid` for a list. */
  async image(name: string): Promise<ListEntry> {
    const manifest = await this.manifest(name);
    if (manifest.kind === 'index') throw invalid(`${name} is a manifest list`);
    const reference = parseReference(name);
    const platform = await this.#platform(reference, manifest.config);
    return listEntry(name, { ...manifest.descriptor, platform }, manifest.bytes);
  }

  /** The images of a list, each by its digest. */
  images(name: string, list: RemoteManifest & { kind: 'index' }): Promise<readonly ListEntry[]> {
    return Promise.all(
      list.entries.map(async ({ mediaType, digest, size, platform }) => {
        const { bytes } = await this.manifest(nameByDigest(name, digest));
        const entry = listEntry(name, { mediaType, digest, size, platform }, bytes);
        return { ...entry, Ref: `${canonicalName(parseReference(name))}@${digest}` };
      }),
    );
  }

  /**
   * Pushes a list. Images of other repositories of the registry are brought to the list's first, their blobs by a mount
   * where the registry does that. `tell` hears of each. Returns the list's digest.
   */
  async push(name: string, entries: readonly ListEntry[], tell: (line: string) => void): Promise<Digest> {
    const target = parseReference(name);
    for (const entry of entries) {
      const source = parseReference(entry.Ref);
      if (source.domain !== target.domain) {
        throw invalid(
          `cannot use source images from a different registry than the target image: ${source.domain} != ${target.domain}`,
        );
      }
      if (source.path === target.path) continue;
      tell(await this.#bringImage(entry, source, target));
    }
    return this.#client(target).pushManifest(target, encodeList(entries), await this.#access(target));
  }

  async #bringImage(entry: ListEntry, source: Reference, target: Reference): Promise<string> {
    const client = this.#client(target);
    const access = await this.#access(target);
    const { config, layers } = manifestOf(entry);
    for (const { mediaType, digest, size } of [...layers, config]) {
      const blob: RemoteDescriptor = { mediaType, digest: parseDigest(digest), size };
      const open = async (from: number) => skip(await client.fetchBlob(source, blob, access), from);
      await client.pushBlob(target, { ...blob, open }, { ...access, mountFrom: source.path });
    }
    const digest = parseDigest(entry.Descriptor.digest);
    const { mediaType } = entry.Descriptor;
    const bytes = Buffer.from(entry.Raw, 'base64');
    await client.pushManifest({ ...target, tag: undefined, digest }, { mediaType, bytes }, access);
    const place = canonicalName({ ...target, tag: undefined, digest });
    return `Pushed ref ${place} with digest: ${digest}`;
  }

  async #platform(reference: Reference, config: RemoteDescriptor): Promise<ListPlatform> {
    const stream = await this.#client(reference).fetchBlob(reference, config, await this.#access(reference));
    const value = JSON.parse((await buffer(stream)).toString()) as Partial<ListPlatform>;
    const { architecture, os, variant, 'os.version': version, 'os.features': features } = value;
    if (typeof architecture !== 'string' || typeof os !== 'string') {
      throw invalid(`the config of ${canonicalName(reference)} names no platform`);
    }
    return {
      architecture,
      os,
      ...(version === undefined ? {} : { 'os.version': version }),
      ...(features === undefined ? {} : { 'os.features': features }),
      ...(variant === undefined ? {} : { variant }),
    };
  }

  #client({ domain }: Reference): RegistryClient {
    const known = this.#clients.get(domain);
    if (known !== undefined) return known;
    const client = createRegistryClient({ mirrors: [], insecure: this.#isInsecure ? [domain] : [] });
    this.#clients.set(domain, client);
    return client;
  }

  async #access({ domain }: Reference): Promise<Access> {
    const auth = await this.#credentials.get(domain);
    if (auth?.identitytoken !== undefined) return { credentials: { identityToken: auth.identitytoken } };
    if (auth?.username === undefined || auth.password === undefined) return {};
    return { credentials: { username: auth.username, password: auth.password } };
  }
}

function nameByDigest(name: string, digest: Digest): string {
  return canonicalName({ ...parseReference(name), tag: undefined, digest });
}

/** What follows the first `count` bytes. */
function skip(source: Readable, count: number): Readable {
  let left = count;
  const rest = new PassThrough({
    transform(chunk: Buffer, _encoding, done) {
      const kept = chunk.subarray(Math.min(left, chunk.length));
      left -= chunk.length - kept.length;
      done(null, kept);
    },
  });
  source.once('error', (error) => rest.destroy(error));
  return source.pipe(rest);
}
