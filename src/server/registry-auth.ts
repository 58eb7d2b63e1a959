import { invalid } from '../base/index.ts';
import type { Credentials } from '../registry/index.ts';

/** The X-Registry-Auth header: base64url of JSON (Engine API, Authentication). Throws `invalid` for anything else. */
export function parseCredentials(header: string | string[] | undefined): Credentials | undefined {
  return credentials(decode('X-Registry-Auth', header));
}

/** The X-Registry-Config header of a build: credentials by registry, as a function of its host. */
export function parseRegistryConfig(
  header: string | string[] | undefined,
): (domain: string) => Credentials | undefined {
  const entries = Object.entries(decode('X-Registry-Config', header) ?? {});
  const known = new Map(entries.map(([server, value]) => [registryDomain(server), value]));
  return (domain) => credentials(known.get(domain));
}

/** The host that a server address of Docker's clients means: "https://index.docker.io/v1/" is docker.io. Throws `invalid`. */
export function registryDomain(address: string): string {
  if (address === '') return 'docker.io';
  const url = /^https?:\/\//.test(address) ? address : `https://${address}`;
  if (!URL.canParse(url)) throw invalid(`unable to parse server address: "${address}"`);
  const host = /^https?:\/\/([^/]*)/.exec(url)?.[1] ?? '';
  return ['docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(host) ? 'docker.io' : host;
}

function decode(name: string, header: string | string[] | undefined): object | undefined {
  if (typeof header !== 'string' || header === '') return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw invalid(`the ${name} header is no base64url-encoded JSON`, { cause: error });
  }
  throw invalid(`the ${name} header is no JSON object`);
}

function credentials(value: unknown): Credentials | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { username, password, identitytoken }: Record<string, unknown> = { ...value };
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return { identityToken: identitytoken };
  }
  if (typeof username !== 'string' || typeof password !== 'string' || username === '') return undefined;
  return { username, password };
}
