import type { Readable } from 'node:stream';
import { familiarRepository, parseReference } from '../base/index.ts';
import type { RegistryCredentials } from './registry-credentials.ts';
import { progressMessages } from './streams.ts';
import type { Filters, Transport } from './transport.ts';
import type {
  CheckMessage,
  ImageDeletion,
  ImageHistoryEntry,
  ImageInspect,
  ImageSummary,
  ImagesPruned,
  ProgressMessage,
  RegistryAuth,
  SearchResult,
} from './types/index.ts';

export interface PullOptions {
  /** `os/architecture[/variant]`; the engine's own by default. */
  readonly platform?: string;
  readonly auth?: RegistryAuth;
  /** Every tag of the repository. */
  readonly allTags?: boolean;
  readonly signal?: AbortSignal;
}

export interface PushOptions {
  readonly auth?: RegistryAuth;
  /** Every tag that the repository has in the engine. */
  readonly allTags?: boolean;
  /** The one image of an index to push: `os/architecture[/variant]`. */
  readonly platform?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface ImportOptions {
  /** The new image's name; none: it has only its id. */
  readonly name?: string;
  readonly message?: string;
  /** Dockerfile instructions. */
  readonly changes?: readonly string[];
  /** `os/architecture[/variant]`; the engine's own by default. */
  readonly platform?: string;
  readonly signal?: AbortSignal;
}

/** Knows what logs in at registries. */
export type CredentialSource = Pick<RegistryCredentials, 'get' | 'all'>;

/** The /images part of the API. */
/** What an image is for. */
export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export class Images {
  readonly #transport: Transport;
  readonly #credentials: CredentialSource | undefined;

  /** `credentials` are sent to the registries that a pull or push needs, unless it has some of its own. */
  constructor(transport: Transport, credentials?: CredentialSource) {
    this.#transport = transport;
    this.#credentials = credentials;
  }

  async list(
    options: {
      all?: boolean;
      digests?: boolean;
      filters?: Filters;
      sharedSize?: boolean;
      manifests?: boolean;
      signal?: AbortSignal;
    } = {},
  ): Promise<readonly ImageSummary[]> {
    const { all, digests, filters, sharedSize, manifests, signal } = options;
    const query = { all, digests, manifests, 'shared-size': sharedSize };
    return this.#transport.json({ method: 'GET', path: '/images/json', query, filters, signal });
  }

  /** Of several images under one name the one for a platform, else what the engine takes. */
  async inspect(
    reference: string,
    options: { platform?: string | undefined; signal?: AbortSignal } = {},
  ): Promise<ImageInspect> {
    const { platform, signal } = options;
    const query = platform === undefined ? {} : { platform: platformJson(platform) };
    return this.#transport.json({ method: 'GET', path: pathOf(reference, '/json'), query, signal });
  }

  async history(
    reference: string,
    options: { platform?: string | undefined; signal?: AbortSignal } = {},
  ): Promise<readonly ImageHistoryEntry[]> {
    const { platform, signal } = options;
    const query = platform === undefined ? {} : { platform: platformJson(platform) };
    return this.#transport.json({ method: 'GET', path: pathOf(reference, '/history'), query, signal });
  }

  /** Repositories of Docker Hub that match a term, or of the registry that it begins with; needs a registry that can search. */
  async search(
    term: string,
    options: {
      limit?: number | undefined;
      filters?: Filters;
      auth?: RegistryAuth;
      signal?: AbortSignal;
    } = {},
  ): Promise<readonly SearchResult[]> {
    const { limit, filters, auth, signal } = options;
    const [first = ''] = term.split('/');
    const domain = /[.:]/.test(first) || first === 'localhost' ? first : 'docker.io';
    const found = await this.#transport.json<readonly SearchResult[] | null>({
      method: 'GET',
      path: '/images/search',
      query: { term, limit },
      filters,
      headers: authHeaders(auth ?? (await this.#credentials?.get(domain))),
      signal,
    });
    return found ?? [];
  }

  /** The platforms that a registry has an image for, in its order. Throws what the engine or the registry says. */
  async platformsAtRegistry(
    reference: string,
    options: { auth?: RegistryAuth; signal?: AbortSignal } = {},
  ): Promise<readonly ImagePlatform[]> {
    const { auth, signal } = options;
    const { domain } = parseReference(reference);
    const { Platforms: platforms } = await this.#transport.json<{
      Platforms?: readonly ImagePlatform[] | null;
    }>({
      method: 'GET',
      path: `/distribution/${reference.split('/').map(encodeURIComponent).join('/')}/json`,
      headers: authHeaders(auth ?? (await this.#credentials?.get(domain))),
      signal,
    });
    return platforms ?? [];
  }

  /** Downloads an image ("latest" without a tag): progress until it is there. Throws what the engine or the registry says. */
  async *pull(reference: string, options: PullOptions = {}): AsyncGenerator<ProgressMessage> {
    const { platform, auth, allTags = false, signal } = options;
    const parsed = parseReference(reference);
    const tag = allTags ? undefined : (parsed.digest ?? parsed.tag);
    const body = await this.#transport.stream({
      method: 'POST',
      path: '/images/create',
      query: { fromImage: familiarRepository(parsed), tag, platform },
      headers: authHeaders(auth ?? (await this.#credentials?.get(parsed.domain))),
      signal,
    });
    yield* progressMessages(body, 'unavailable');
  }

  /** Sends an image to its registry: progress until it is there. Throws what the engine or the registry says. */
  async *push(reference: string, options: PushOptions = {}): AsyncGenerator<ProgressMessage> {
    const { auth, allTags = false, platform, signal } = options;
    const parsed = parseReference(reference);
    const body = await this.#transport.stream({
      method: 'POST',
      path: pathOf(familiarRepository(parsed), '/push'),
      query: {
        tag: allTags ? undefined : parsed.tag,
        platform: platform === undefined ? undefined : platformJson(platform),
      },
      headers: authHeaders(auth ?? (await this.#credentials?.get(parsed.domain)) ?? {}),
      signal,
    });
    yield* progressMessages(body, 'unavailable');
  }

  /**
   * Reads all that images are made of: progress, then the report as the last message's `aux`. With `repair`, what is damaged
   * is fetched or made again. An extension of berth.
   */
  async *check(options: { repair?: boolean; signal?: AbortSignal } = {}): AsyncGenerator<CheckMessage> {
    const { repair, signal } = options;
    const headers = await registryConfig(this.#credentials);
    const request = { method: 'POST', path: '/berth/check', query: { repair }, headers, signal } as const;
    yield* progressMessages<CheckMessage>(await this.#transport.stream(request), 'internal');
  }

  /** An archive of images by name or id, as {@link load} takes it. */
  save(
    references: readonly string[],
    options: { platform?: string; signal?: AbortSignal } = {},
  ): Promise<Readable> {
    const { platform, signal } = options;
    const query = { names: references, platform: platformJson(platform) };
    return this.#transport.stream({ method: 'GET', path: '/images/get', query, signal });
  }

  /** Brings the images of an archive to the engine: progress, then a `stream` line per image. Throws what is wrong with it. */
  async *load(
    archive: Readable,
    options: { quiet?: boolean; platform?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<ProgressMessage> {
    const { quiet = false, platform, signal } = options;
    const body = await this.#transport.stream({
      method: 'POST',
      path: '/images/load',
      query: { quiet, platform: platformJson(platform) },
      headers: { 'Content-Type': 'application/x-tar' },
      body: archive,
      signal,
    });
    yield* progressMessages(body, 'invalid');
  }

  /** Makes an image of a file system's tar, sent or at a URL that the engine can reach: the last `status` is its id. */
  async *import(source: Readable | URL, options: ImportOptions = {}): AsyncGenerator<ProgressMessage> {
    const { name, message, changes, platform, signal } = options;
    const parsed = name === undefined ? undefined : parseReference(name);
    const body = await this.#transport.stream({
      method: 'POST',
      path: '/images/create',
      query: {
        fromSrc: source instanceof URL ? source.href : '-',
        repo: parsed === undefined ? undefined : familiarRepository(parsed),
        tag: parsed?.tag,
        message,
        changes,
        platform,
      },
      ...(source instanceof URL ? {} : { headers: { 'Content-Type': 'application/x-tar' }, body: source }),
      signal,
    });
    yield* progressMessages(body, 'invalid');
  }

  /** Gives an image one more name. */
  async tag(source: string, target: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    const parsed = parseReference(target);
    const query = { repo: familiarRepository(parsed), tag: parsed.tag };
    await this.#transport.run({ method: 'POST', path: pathOf(source, '/tag'), query, ...options });
  }

  async remove(
    reference: string,
    options: { force?: boolean; noPrune?: boolean; signal?: AbortSignal } = {},
  ): Promise<readonly ImageDeletion[]> {
    const { force, noPrune, signal } = options;
    const query = { force, noprune: noPrune };
    return this.#transport.json({ method: 'DELETE', path: pathOf(reference), query, signal });
  }

  /** Removes images that nothing uses: without a name, or all with the filter `dangling=false`. */
  async prune(options: { filters?: Filters; signal?: AbortSignal } = {}): Promise<ImagesPruned> {
    return this.#transport.json({ method: 'POST', path: '/images/prune', ...options });
  }
}

/** The credentials that a request may need whose registries are not known beforehand. */
export async function registryConfig(
  credentials: CredentialSource | undefined,
): Promise<Record<string, string>> {
  const known = await credentials?.all();
  return known === undefined ? {} : { 'X-Registry-Config': encodeAuth(known) };
}

/** An image's name has slashes, which the API takes as they are. */
function pathOf(reference: string, action = ''): string {
  return `/images/${encodeURIComponent(reference).replaceAll('%2F', '/').replaceAll('%3A', ':')}${action}`;
}

/** A platform as the API takes it for images that are here; what is none goes as it is, for the engine to say so. */
function platformJson(platform: string | undefined): string | undefined {
  const parts = platform?.split('/') ?? [];
  if (parts.length === 0 || parts.length > 3) return platform;
  const [os, architecture, variant] = parts.length === 1 ? ['linux', ...parts] : parts;
  return JSON.stringify({ os, architecture, variant });
}

function authHeaders(auth: RegistryAuth | undefined): Record<string, string> {
  return auth === undefined ? {} : { 'X-Registry-Auth': encodeAuth(auth) };
}

/** A value of the headers X-Registry-Auth and X-Registry-Config. */
function encodeAuth(auth: RegistryAuth | Readonly<Record<string, RegistryAuth>>): string {
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}
