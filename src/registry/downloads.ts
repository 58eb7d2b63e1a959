import type { Readable } from 'node:stream';
import { type BerthError, invalid, notFound, unavailable } from '../base/index.ts';
import { EndpointChooser } from './endpoint.ts';
import { DEFAULT_TIMING, type Response, readBody, type Timing, Transport } from './transport.ts';

/** What a URL led to. */
export interface Download {
  readonly body: Readable;
  /** Bytes, where the server says so. */
  readonly size: number | undefined;
}

/** Of a refusal's text, so much is shown. */
const MAX_REASON = 1000;

/** Downloads by http and https, as patient as with registries, and with the host's certificates and proxies. */
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
    const response = await this.#transport.send(url.href, { headers: {}, signal });
    if (response.status !== 200) throw await refusal(url, response);
    const length = response.header('content-length');
    return { body: response.body, size: length === undefined ? undefined : Number(length) };
  }
}

async function refusal(url: URL, response: Response): Promise<BerthError> {
  const text = await readBody(response, 64 * 1024).catch(() => Buffer.alloc(0));
  const reason = text.toString().trim().slice(0, MAX_REASON);
  const message = `failed to GET ${url.href} with status ${response.status}${reason === '' ? '' : `: ${reason}`}`;
  return [404, 410].includes(response.status) ? notFound(message) : unavailable(message);
}
