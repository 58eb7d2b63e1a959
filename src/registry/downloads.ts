import type { Readable } from 'node:stream';
import { type BerthError, invalid, notFound, unavailable } from '../base/index.ts';
import { type BlobSource, blobStream } from './blob-stream.ts';
import { EndpointChooser } from './endpoint.ts';
import { DEFAULT_TIMING, discard, type Response, readBody, type Timing, Transport } from './transport.ts';

/** What a URL led to. */
export interface Download {
  readonly body: Readable;
  /** Bytes, where the server says so. */
  readonly size: number | undefined;
}

/** Of a refusal's text, so much is shown. */
const MAX_REASON = 1000;

/**
 * Downloads by http and https, as patient as with registries, and with the host's certificates and proxies. What breaks off is
 * continued by Range, if the server says what version of it that was.
 */
export class Downloads {
  readonly #transport: Transport;

  constructor(timing: Timing = DEFAULT_TIMING) {
    this.#transport = new Transport(new EndpointChooser({ mirrors: [], insecure: [] }), timing, process.env);
  }

  /**
   * The content of a URL. Throws `invalid` for what is no URL of http or https, `not-found` or `unavailable` with the server's
   * own words when it refuses, `unavailable` when it cannot be reached.
   */
  async open(url: URL, signal: AbortSignal): Promise<Download> {
    if (!/^https?:$/.test(url.protocol)) {
      throw invalid(`${url.href} cannot be downloaded: only http and https can`);
    }
    const first = await this.#transport.send(url.href, { headers: {}, signal });
    if (first.status !== 200) throw await refusal(url, first);
    const length = first.header('content-length');
    if (length === undefined) return { body: first.body, size: undefined };
    const size = Number(length);
    const version = versionOf(first);
    if (version === undefined || first.header('content-encoding') !== undefined)
      return { body: first.body, size };
    const blob = { subject: url.href, size, said: 'that were announced' };
    return { body: blobStream(blob, first, this.#source(url, version, signal)), size };
  }

  #source(url: URL, version: string, signal: AbortSignal): BlobSource {
    return {
      request: async (from) => {
        const headers = { range: `bytes=${from}-`, 'if-range': version };
        const response = await this.#transport.send(url.href, { headers, signal });
        if (response.status !== 200 && response.status !== 206) throw await refusal(url, response);
        if (versionOf(response) === version) return response;
        await discard(response);
        throw invalid(`${url.href} was changed while it was downloaded`, { hint: 'Try again' });
      },
      failure: (response, error) => this.#transport.failure(response.url, error),
      pause: (attempt) => this.#transport.backoff(attempt, signal),
    };
  }
}

/** What tells one content of a URL from another (RFC 9110, 13.1.5): no weak tag does. */
function versionOf(response: Response): string | undefined {
  const tag = response.header('etag');
  return tag === undefined || tag.startsWith('W/') ? response.header('last-modified') : tag;
}

async function refusal(url: URL, response: Response): Promise<BerthError> {
  const text = await readBody(response, 64 * 1024).catch(() => Buffer.alloc(0));
  const reason = text.toString().trim().slice(0, MAX_REASON);
  const message = `failed to GET ${url.href} with status ${response.status}${reason === '' ? '' : `: ${reason}`}`;
  return [404, 410].includes(response.status) ? notFound(message) : unavailable(message);
}
