import { invalid } from '../base/index.ts';

/** Where an engine listens, parsed from what users write in DOCKER_HOST or after -H. */
export type HostAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly hostname: string; readonly port: number }
  | { readonly kind: 'ssh'; readonly url: string };

const DEFAULT_TCP_PORT = 2375;

/**
 * Parses `unix:///path`, `tcp://host[:port]` (2375 by default), `http://host[:port]` and `ssh://[user@]host`.
 * Throws `invalid` for anything else.
 */
export function parseHost(text: string): HostAddress {
  const [, scheme, rest] = /^([a-z]+):\/\/(.*)$/.exec(text.trim()) ?? [];
  if (scheme === 'unix' && rest !== undefined && rest !== '') return { kind: 'unix', path: rest };
  if ((scheme === 'tcp' || scheme === 'http') && rest !== undefined) return parseTcp(text, rest);
  if (scheme === 'ssh' && rest !== undefined && rest !== '') return { kind: 'ssh', url: text };
  throw invalid(`cannot parse the engine address "${text}"`, {
    hint: 'An address is unix:///path/to/socket, tcp://host:port or ssh://user@host',
  });
}

/** The address as users write it. */
export function formatHost(host: HostAddress): string {
  switch (host.kind) {
    case 'unix':
      return `unix://${host.path}`;
    case 'tcp':
      return `tcp://${host.hostname.includes(':') ? `[${host.hostname}]` : host.hostname}:${host.port}`;
    case 'ssh':
      return host.url;
  }
}

function parseTcp(text: string, rest: string): HostAddress {
  const url = URL.parse(`http://${rest}`);
  if (url === null || url.hostname === '') throw invalid(`cannot parse the engine address "${text}"`);
  if (url.pathname !== '/') {
    throw invalid(`the engine address "${text}" has a path, which berth does not send`, {
      hint: 'Write tcp://host:port',
    });
  }
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  return { kind: 'tcp', hostname, port: url.port === '' ? portOf(rest) : Number(url.port) };
}

/** URL drops ":80", http's own default; ours is another. */
function portOf(rest: string): number {
  return /:80\/?$/.test(rest) ? 80 : DEFAULT_TCP_PORT;
}
