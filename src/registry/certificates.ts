import { readFile } from 'node:fs/promises';
import { getCACertificates } from 'node:tls';

/** Where distributions keep the certificates that the host trusts (as Go looks for them). */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The authorities that the host trusts: SSL_CERT_FILE or its bundle, and those of NODE_EXTRA_CA_CERTS. Node's own list
 * where the host has none.
 */
export async function trustedCertificates(env: NodeJS.ProcessEnv): Promise<string[]> {
  const extra = getCACertificates('extra');
  const candidates = env.SSL_CERT_FILE === undefined ? BUNDLES : [env.SSL_CERT_FILE];
  for (const path of candidates) {
    const bundle = await readFile(path, 'utf8').catch(() => undefined);
    if (bundle !== undefined) return [bundle, ...extra];
  }
  return [...getCACertificates('default')];
}
