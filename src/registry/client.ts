import type { Readable } from 'node:stream';
import {
  BerthError,
  type Digest,
  digestOf,
  errorMessage,
  familiarName,
  invalid,
  isBerthError,
  notFound,
  type Reference,
} from '../base/index.ts';
import { AuthorizedTransport } from './authorized-transport.ts';
import { type AccessRequest, Authorizer } from './authorizer.ts';
import { blobStream } from './blob-stream.ts';
import type {
  Access,
  Credentials,
  LocalBlob,
  Platform,
  PushedBlob,
  RegistryClient,
  RegistryOptions,
  RegistrySearch,
  RemoteDescriptor,
  RemoteImage,
  RemoteManifest,
  SearchHit,
} from './contract.ts';
import { DOCKER_HUB, type Endpoint, EndpointChooser } from './endpoint.ts';
import { errorFrom } from './errors.ts';
import { ACCEPTED_MANIFESTS, parseManifest } from './manifest.ts';
import { choosePlatform } from './platform.ts';
import { Pusher } from './pusher.ts';
import { HUB_INDEX, searchRegistry } from './search.ts';
import { listTags } from './tags.ts';
import { DEFAULT_TIMING, discard, type Response, type Timing, Transport } from './transport.ts';

/** Registries refuse larger ones too (OCI distribution-spec, "Pushing Manifests"). */
const MAX_MANIFEST = 4 * 1024 * 1024;
const MAX_INDEX_DEPTH = 3;

/** A client for the registries of the OCI distribution spec, Docker's among them. Throws `invalid` for options that make no sense. */
export function createRegistryClient(
  options: RegistryOptions,
  timing: Timing = DEFAULT_TIMING,
): RegistryClient {
  return new OciRegistryClient(options, timing);
}

class OciRegistryClient implements RegistryClient {
  readonly #chooser: EndpointChooser;
  readonly #transport: Transport;
  readonly #authorized: AuthorizedTransport;
  readonly #pusher: Pusher;
  /** The endpoint that has last served a repository is asked first for its blobs. */
  readonly #served = new Map<string, Endpoint>();
  /** Insecure registries' endpoints with the scheme that they speak. */
  readonly #schemes = new Map<string, Endpoint>();

  constructor(options: RegistryOptions, timing: Timing) {
    this.#chooser = new EndpointChooser(options);
    this.#transport = new Transport(this.#chooser, timing, process.env);
    const authorizer = new Authorizer(this.#transport, this.#chooser);
    this.#authorized = new AuthorizedTransport(this.#transport, authorizer);
    this.#pusher = new Pusher(this.#transport, this.#authorized);
  }

  async resolve(reference: Reference, options: Access & { platform: Platform }): Promise<RemoteImage> {
    const endpoints = await this.#endpoints(reference, options.signal);
    return this.#atFirstEndpoint(reference, endpoints, async (endpoint) => {
      const image = await this.#resolveAt(this.#access(endpoint, reference, options), options.platform);
      this.#served.set(repositoryKey(reference), endpoint);
      return image;
    });
  }

  async manifest(reference: Reference, options: Access): Promise<RemoteManifest> {
    const endpoints = await this.#endpoints(reference, options.signal);
    return this.#atFirstEndpoint(reference, endpoints, (endpoint) =>
      this.#manifest(this.#access(endpoint, reference, options), wantedBy(reference)),
    );
  }

  /** With the right to write, as its use is to decide what is pushed: a repository that is to come may not be read yet. */
  async hasManifest(reference: Reference, digest: Digest, options: Access): Promise<boolean> {
    const access = await this.#pushAccess(reference, options);
    const url = `${access.endpoint.base}/v2/${reference.path}/manifests/${digest}`;
    const headers = { accept: ACCEPTED_MANIFESTS };
    const response = await this.#authorized.send(access, url, { method: 'HEAD', headers });
    if (response.status !== 200 && response.status !== 404) throw await errorFrom(response, access);
    await discard(response);
    return response.status === 200;
  }

  async tags({ domain, path }: Pick<Reference, 'domain' | 'path'>, options: Access) {
    const repository: Reference = { domain, path, tag: undefined, digest: undefined };
    const endpoints = await this.#endpoints(repository, options.signal);
    return this.#atFirstEndpoint(repository, endpoints, (endpoint) =>
      listTags(this.#authorized, this.#transport, this.#access(endpoint, repository, options)),
    );
  }

  async fetchBlob(reference: Reference, blob: RemoteDescriptor, options: Access): Promise<Readable> {
    const endpoints = await this.#endpoints(reference, options.signal);
    const served = this.#served.get(repositoryKey(reference));
    const order =
      served === undefined ? endpoints : [served, ...endpoints.filter((it) => it.base !== served.base)];
    return this.#atFirstEndpoint(reference, order, async (endpoint) => {
      const access = this.#access(endpoint, reference, options);
      const request = (from: number) =>
        this.#get(access, `blobs/${blob.digest}`, from === 0 ? {} : { range: `bytes=${from}-` });
      const first = await request(0);
      const expected = { subject: `blob ${blob.digest}`, size: blob.size, said: 'its manifest says' };
      return blobStream(expected, first, {
        request,
        failure: (response, error) => this.#transport.failure(response.url, error),
        pause: (attempt) => this.#transport.backoff(attempt, options.signal),
      });
    });
  }

  async pushBlob(
    reference: Reference,
    blob: LocalBlob,
    options: Access & { mountFrom?: string; onProgress?: (bytes: number) => void },
  ): Promise<PushedBlob> {
    return this.#pusher.blob(await this.#pushAccess(reference, options), blob, options.onProgress);
  }

  async pushManifest(
    reference: Reference,
    manifest: { readonly mediaType: string; readonly bytes: Buffer },
    options: Access,
  ): Promise<Digest> {
    return this.#pusher.manifest(await this.#pushAccess(reference, options), manifest);
  }

  async checkLogin(domain: string, credentials: Credentials, signal?: AbortSignal): Promise<void> {
    const endpoint = await this.#registryItself(domain, signal);
    const reference = { domain, path: '', tag: undefined, digest: undefined };
    const access: AccessRequest = { action: 'login', endpoint, reference, credentials, signal };
    const response = await this.#authorized.send(access, `${endpoint.base}/v2/`, { headers: {} });
    if (response.status !== 200) throw await errorFrom(response, access);
    await discard(response);
  }

  async search(domain: string, search: RegistrySearch, options: Access): Promise<readonly SearchHit[]> {
    const isHub = domain === DOCKER_HUB;
    const endpoint = isHub ? HUB_INDEX : await this.#registryItself(domain, options.signal);
    return searchRegistry(this.#transport, endpoint, search, options);
  }

  /** The places to ask; which scheme an insecure registry speaks is found out once. */
  async #endpoints(reference: Reference, signal: AbortSignal | undefined): Promise<readonly Endpoint[]> {
    const endpoints = this.#chooser.endpoints(reference);
    return Promise.all(endpoints.map((endpoint) => this.#withScheme(endpoint, signal)));
  }

  async #withScheme(endpoint: Endpoint, signal: AbortSignal | undefined): Promise<Endpoint> {
    if (!endpoint.isInsecure || endpoint.isMirror) return endpoint;
    const known = this.#schemes.get(endpoint.base);
    if (known !== undefined) return known;
    const plain = { ...endpoint, base: endpoint.base.replace(/^https:/, 'http:') };
    for (const candidate of [endpoint, plain]) {
      if (!(await this.#transport.answers(`${candidate.base}/v2/`, signal))) continue;
      this.#schemes.set(endpoint.base, candidate);
      return candidate;
    }
    return plain;
  }

  /** Tries the endpoints in order until one succeeds; when none does, the error has each one's reason. */
  async #atFirstEndpoint<T>(
    reference: Reference,
    endpoints: readonly Endpoint[],
    work: (endpoint: Endpoint) => Promise<T>,
  ): Promise<T> {
    const failures: { endpoint: Endpoint; error: BerthError }[] = [];
    for (const endpoint of endpoints) {
      try {
        return await work(endpoint);
      } catch (error) {
        if (!isBerthError(error) || error.kind === 'cancelled') throw error;
        failures.push({ endpoint, error });
        if (!isWorthAnother(error, endpoint)) break;
      }
    }
    throw combine(reference, failures);
  }

  async #resolveAt(access: AccessRequest, platform: Platform): Promise<RemoteImage> {
    const name = familiarName(access.reference);
    const top = await this.#manifest(access, wantedBy(access.reference));
    let found = top;
    for (let depth = 0; found.kind === 'index'; depth += 1) {
      if (depth === MAX_INDEX_DEPTH) throw invalid(`${name} is an index of indexes of indexes`);
      found = await this.#manifest(access, choosePlatform(found.entries, platform, name).digest);
    }
    return {
      digest: top.descriptor.digest,
      manifest: found.descriptor,
      manifestBytes: found.bytes,
      index: top.kind === 'index' ? { descriptor: top.descriptor, bytes: top.bytes } : undefined,
      config: found.config,
      layers: found.layers,
    };
  }

  async #manifest(access: AccessRequest, wanted: string): Promise<RemoteManifest> {
    const name = familiarName(access.reference);
    const response = await this.#get(access, `manifests/${wanted}`, { accept: ACCEPTED_MANIFESTS });
    const bytes = await this.#transport.body(response, MAX_MANIFEST);
    const digest = digestOf(bytes);
    const promised = wanted.startsWith('sha256:') ? wanted : response.header('docker-content-digest');
    if (promised?.startsWith('sha256:') && promised !== digest) {
      throw invalid(`the manifest of ${name} should have the digest ${promised} but has ${digest}`);
    }
    const { mediaType, ...manifest } = parseManifest(bytes, response.header('content-type'), name);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes, ...manifest };
  }

  /** A successful answer to a GET within the repository. */
  async #get(access: AccessRequest, path: string, headers: Record<string, string>): Promise<Response> {
    const url = `${access.endpoint.base}/v2/${access.reference.path}/${path}`;
    const response = await this.#authorized.send(access, url, { headers });
    const isRefusedRange = response.status === 416 && headers.range !== undefined;
    if (response.status !== 200 && response.status !== 206 && !isRefusedRange)
      throw await errorFrom(response, access);
    return response;
  }

  #access(endpoint: Endpoint, reference: Reference, { credentials, signal }: Access): AccessRequest {
    const own = endpoint.isMirror ? undefined : credentials;
    return { action: 'pull', endpoint, reference, credentials: own, signal };
  }

  /** Where to write: the registry itself. */
  async #pushAccess(reference: Reference, wish: Access & { mountFrom?: string }): Promise<AccessRequest> {
    const { credentials, signal, mountFrom } = wish;
    const endpoint = await this.#registryItself(reference.domain, signal);
    return { action: 'push', endpoint, reference, credentials, signal, mountFrom };
  }

  async #registryItself(domain: string, signal: AbortSignal | undefined): Promise<Endpoint> {
    const endpoint = this.#chooser.endpoints({ domain }).find(({ isMirror }) => !isMirror);
    if (endpoint === undefined) throw notFound(`no registry is known for ${domain}`);
    return this.#withScheme(endpoint, signal);
  }
}

function repositoryKey({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}

/** A wrong image is wrong at the registry itself; what an endpoint lacks, refuses or garbles, another one may have. */
function isWorthAnother({ kind }: BerthError, { isMirror }: Endpoint): boolean {
  return isMirror || kind === 'unavailable' || kind === 'not-found' || kind === 'unauthorized';
}

function wantedBy({ tag, digest }: Reference): string {
  return digest ?? tag ?? 'latest';
}

function combine(
  reference: Reference,
  failures: readonly { endpoint: Endpoint; error: BerthError }[],
): BerthError {
  const last = failures.at(-1);
  if (last === undefined) return notFound(`no registry is known for ${familiarName(reference)}`);
  if (failures.length === 1) return last.error;
  const answered = failures.find(({ error }) => error.kind !== 'unavailable') ?? last;
  const others = failures
    .filter((failure) => failure !== answered)
    .map(({ endpoint, error }) => `${endpoint.base}: ${errorMessage(error)}`);
  const message = `${answered.error.message} (at ${answered.endpoint.base}; ${others.join('; ')})`;
  const { kind, hint } = answered.error;
  return new BerthError(kind, message, { cause: answered.error, ...(hint === undefined ? {} : { hint }) });
}
