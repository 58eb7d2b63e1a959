import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Digest, digestOf, familiarName, unavailable } from '../base/index.ts';
import type { AuthorizedTransport } from './authorized-transport.ts';
import type { AccessRequest } from './authorizer.ts';
import type { LocalBlob, PushedBlob } from './contract.ts';
import { errorFrom } from './errors.ts';
import { discard, isCutConnection, type Request, type Response, type Transport } from './transport.ts';

/** Blobs up to this size are sent by one request. */
const MONOLITHIC_SIZE = 1024 * 1024;
/** So many connections in a row may break off without having brought a byte to the registry. */
const MAX_FRUITLESS = 3;
const BINARY = { 'content-type': 'application/octet-stream' };

/** An upload that a registry waits for: where to send the rest, and what it has. */
interface Upload {
  readonly url: string;
  readonly offset: number;
}

/** Writes to a repository (OCI distribution-spec, "Push"). */
export class Pusher {
  readonly #transport: Transport;
  readonly #authorized: AuthorizedTransport;

  constructor(transport: Transport, authorized: AuthorizedTransport) {
    this.#transport = transport;
    this.#authorized = authorized;
  }

  async blob(
    access: AccessRequest,
    blob: LocalBlob,
    onProgress: (bytes: number) => void = () => {},
  ): Promise<PushedBlob> {
    if (await this.#exists(access, blob.digest)) return { kind: 'existed' };
    const begun = await this.#begin(access, blob.digest);
    if (begun === 'mounted') return { kind: 'mounted', from: access.mountFrom ?? '' };
    if (blob.size <= MONOLITHIC_SIZE)
      await this.#finish(access, begun, blob, await buffer(await blob.open(0)));
    else await this.#finish(access, await this.#sendAll(access, begun, blob, onProgress), blob, undefined);
    onProgress(blob.size);
    return { kind: 'uploaded' };
  }

  async manifest(
    access: AccessRequest,
    { mediaType, bytes }: { readonly mediaType: string; readonly bytes: Buffer },
  ): Promise<Digest> {
    const digest = digestOf(bytes);
    const path = `manifests/${access.reference.tag ?? digest}`;
    const headers = { 'content-type': mediaType };
    const response = await this.#send(access, path, { method: 'PUT', headers, body: bytes }, [201]);
    const stored = response.header('docker-content-digest');
    if (stored?.startsWith('sha256:') && stored !== digest) {
      const name = familiarName(access.reference);
      throw unavailable(`the manifest of ${name} was stored as ${stored} instead of ${digest}`);
    }
    return digest;
  }

  async #exists(access: AccessRequest, digest: Digest): Promise<boolean> {
    const response = await this.#send(access, `blobs/${digest}`, { method: 'HEAD', headers: {} }, [200, 404]);
    return response.status === 200;
  }

  /** Asks for a mount, where there is a source, or else for an upload: the registry decides. */
  async #begin(access: AccessRequest, digest: Digest): Promise<Upload | 'mounted'> {
    const query =
      access.mountFrom === undefined
        ? ''
        : `?${new URLSearchParams({ mount: digest, from: access.mountFrom })}`;
    const request: SentRequest = { method: 'POST', headers: { 'content-length': '0' } };
    const response = await this.#send(access, `blobs/uploads/${query}`, request, [201, 202]);
    return response.status === 201 ? 'mounted' : { url: this.#location(response), offset: 0 };
  }

  /** Sends the blob as one chunk, or, when a connection breaks off, the rest of it as the next one. */
  async #sendAll(
    access: AccessRequest,
    begun: Upload,
    blob: LocalBlob,
    onProgress: (bytes: number) => void,
  ): Promise<Upload> {
    let upload = begun;
    let fruitless = 0;
    while (upload.offset < blob.size) {
      const { offset } = upload;
      try {
        upload = await this.#sendFrom(access, upload, blob, onProgress);
      } catch (error) {
        if (!(error instanceof Error) || !isCutConnection(error.cause)) throw error;
        upload = await this.#progressOf(access, upload);
        fruitless = upload.offset > offset ? 0 : fruitless + 1;
        if (fruitless >= MAX_FRUITLESS) throw error;
      }
    }
    return upload;
  }

  async #sendFrom(
    access: AccessRequest,
    { url, offset }: Upload,
    blob: LocalBlob,
    onProgress: (bytes: number) => void,
  ): Promise<Upload> {
    const headers = {
      ...BINARY,
      'content-length': `${blob.size - offset}`,
      'content-range': `${offset}-${blob.size - 1}`,
    };
    const body = async () => counted(await blob.open(offset), offset, onProgress);
    const request: SentRequest = { method: 'PATCH', headers, body, isRepeatable: false };
    const response = await this.#send(access, url, request, [202]);
    return { url: this.#location(response), offset: blob.size };
  }

  /** What the registry has of an upload. */
  async #progressOf(access: AccessRequest, { url }: Upload): Promise<Upload> {
    const response = await this.#send(access, url, { headers: {} }, [204]);
    const [, last] = /^(?:bytes=)?0-([0-9]+)$/.exec(response.header('range') ?? '') ?? [];
    const next = response.header('location') === undefined ? url : this.#location(response);
    // "0-0" is how registries say "nothing": the one byte that it may mean is sent again, and refused then.
    return { url: next, offset: last === undefined || last === '0' ? 0 : Number(last) + 1 };
  }

  async #finish(
    access: AccessRequest,
    { url }: Upload,
    { digest }: LocalBlob,
    rest: Buffer | undefined,
  ): Promise<void> {
    const target = new URL(url);
    target.searchParams.set('digest', digest);
    const request: SentRequest = {
      method: 'PUT',
      headers: rest === undefined ? { 'content-length': '0' } : BINARY,
      ...(rest === undefined ? {} : { body: rest }),
    };
    await this.#send(access, target.href, request, [201, 204]);
  }

  /** The head of an answer with one of the statuses that are expected; `target` is a path in the repository, or a URL. */
  async #send(
    access: AccessRequest,
    target: string,
    request: SentRequest,
    expected: readonly number[],
  ): Promise<Response> {
    const { endpoint, reference } = access;
    const url = URL.canParse(target) ? target : `${endpoint.base}/v2/${reference.path}/${target}`;
    const response = await this.#authorized.send(access, url, request);
    if (!expected.includes(response.status)) throw await errorFrom(response, access);
    await discard(response);
    return response;
  }

  #location(response: Response): string {
    const location = response.header('location');
    if (location !== undefined) return this.#transport.target(response.url, location);
    throw unavailable(`${new URL(response.url).host} began an upload without saying where`);
  }
}

type SentRequest = Omit<Request, 'signal'>;

/** A stream that tells how far it was read. */
function counted(source: Readable, from: number, onProgress: (bytes: number) => void): Readable {
  async function* chunks(): AsyncGenerator<Buffer> {
    let position = from;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      yield chunk;
      position += chunk.length;
      onProgress(position);
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}
