import { type Digest, isDigest } from './digest.ts';
import { invalid } from './errors.ts';

/**
 * A parsed, normalised image reference. `domain` and `path` are what the registry is asked for
 * (`docker.io` and `library/debian` for "debian"). Grammar: distribution/reference.
 */
export interface Reference {
  readonly domain: string;
  readonly path: string;
  /** Set unless only a digest was given; "latest" by default. */
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const DEFAULT_DOMAIN = 'docker.io';
const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;

/** Parses what a user types: `python:3.8`, `host:5000/a/b@sha256:…`. Throws `invalid` with what is wrong. */
export function parseReference(text: string): Reference {
  const [named, digestText] = splitOnce(text, '@');
  const digest = digestText === undefined ? undefined : digestPart(text, digestText);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const name = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(`invalid reference format: "${text}" has the tag "${tag}"`, {
      hint: 'A tag has up to 128 letters, digits, "_", "." and "-", and does not start with "." or "-"',
    });
  }
  const { domain, path } = splitDomain(name);
  if (path !== path.toLowerCase()) {
    throw invalid(`invalid reference format: repository name (${path}) must be lowercase`);
  }
  if (!PATH.test(path) || !DOMAIN.test(domain) || path.length > 255) {
    throw invalid(`invalid reference format: "${text}"`, {
      hint: 'A reference is [host[:port]/]name[:tag][@digest], with a lower-case name',
    });
  }
  return { domain, path, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** As users see it: without `docker.io/` and `library/`, with tag and digest where set. */
export function familiarName(reference: Reference): string {
  return `${familiarRepository(reference)}${suffix(reference)}`;
}

/** The repository alone, as users see it. */
export function familiarRepository(reference: Pick<Reference, 'domain' | 'path'>): string {
  if (reference.domain !== DEFAULT_DOMAIN) return `${reference.domain}/${reference.path}`;
  return reference.path.replace(/^library\/(?=[^/]+$)/, '');
}

/** A stored name, with a tag or a digest, as users see it: "python:3.8" for "docker.io/library/python:3.8". */
export function familiar(canonicalName: string): string {
  return familiarName(parseReference(canonicalName));
}

/** The full name, for storage and comparison: `docker.io/library/debian:latest`. */
export function canonicalName(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffix(reference)}`;
}

function suffix({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function digestPart(text: string, digest: string): Digest {
  if (isDigest(digest)) return digest;
  throw invalid(`invalid reference format: "${text}" has a malformed digest`, {
    hint: 'A digest is "sha256:" and 64 hex digits',
  });
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** The first component is a domain if it has a dot or a colon, is "localhost", or has upper case. */
function splitDomain(name: string): { domain: string; path: string } {
  const [first, rest] = splitOnce(name, '/');
  const isDomain =
    rest !== undefined && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  if (!isDomain) return { domain: DEFAULT_DOMAIN, path: rest === undefined ? `library/${name}` : name };
  const domain = first === 'index.docker.io' ? DEFAULT_DOMAIN : first;
  const path = domain === DEFAULT_DOMAIN && !rest.includes('/') ? `library/${rest}` : rest;
  return { domain, path };
}
