import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Digest, digestOf, parseReference, type Reference } from '../../base/index.ts';

/** A small HTTP server on loopback for one test, closed with `await using`. */
export interface TestServer extends AsyncDisposable {
  /** 127.0.0.1 and the port that the kernel chose. */
  readonly host: string;
  readonly url: string;
  /** `GET /v2/…` for each request so far, in order, without those to the API's root, which always answers. */
  readonly requests: string[];
  reference(name: string): Reference;
}

/** Serves with a function; what it does not answer is 404. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestServer> {
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    if (request.url === '/v2/') {
      response.end('{}');
      return;
    }
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  };
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `http://${host}`,
    requests,
    reference: (name) => parseReference(`${host}/${name}`),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The parts of a small image, ready to be served. */
export interface TestImage {
  readonly manifest: Buffer;
  readonly digest: Digest;
  readonly config: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  readonly layer: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  readonly blobs: ReadonlyMap<string, Buffer>;
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';

export function testImage(layerContent: Buffer = Buffer.from('a layer')): TestImage {
  const configBytes = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux' }));
  const config = described('application/vnd.oci.image.config.v1+json', configBytes);
  const layer = described('application/vnd.oci.image.layer.v1.tar+gzip', layerContent);
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] }),
  );
  return {
    manifest,
    digest: digestOf(manifest),
    config,
    layer,
    blobs: new Map([
      [config.digest, configBytes],
      [layer.digest, layerContent],
    ]),
  };
}

/** Answers for an image by any tag and by digest; false where the path is another one. */
export function serveImage(image: TestImage, request: IncomingMessage, response: ServerResponse): boolean {
  const [, kind, name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? [];
  if (kind === 'manifests') {
    sendBytes(response, image.manifest, MANIFEST);
    return true;
  }
  const blob = image.blobs.get(name);
  if (blob === undefined) return false;
  sendBytes(response, blob, 'application/octet-stream');
  return true;
}

export function sendBytes(response: ServerResponse, bytes: Buffer, contentType: string): void {
  response.writeHead(200, { 'content-type': contentType, 'content-length': bytes.length }).end(bytes);
}

/** An error in the words of the distribution spec. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify({ errors: [{ code, message }] }));
}

export function described(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}
