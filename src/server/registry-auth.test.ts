import { describe, expect, test } from 'vitest';
import { parseCredentials, parseRegistryConfig, registryDomain } from './registry-auth.ts';

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe("a registry's credentials in a request", () => {
  test('are a name and a password, an identity token, or nothing', () => {
    const login = { username: 'u', password: 'p' };
    expect(parseCredentials(encoded({ ...login, serveraddress: 'x' }))).toEqual(login);
    expect(parseCredentials(encoded({ identitytoken: 't' }))).toEqual({ identityToken: 't' });
    expect(parseCredentials(encoded({}))).toBeUndefined();
    expect(parseCredentials('')).toBeUndefined();
    expect(parseCredentials(undefined)).toBeUndefined();
  });

  test('that cannot be understood are refused', () => {
    expect(() => parseCredentials('%%%')).toThrow('the X-Registry-Auth header is no base64url-encoded JSON');
    expect(() => parseCredentials(encoded(1))).toThrow('the X-Registry-Auth header is no JSON object');
  });

  test('of a build are for one registry each, and matter only when it is asked', () => {
    const credentialsFor = parseRegistryConfig(
      encoded({
        'https://index.docker.io/v1/': { username: 'hub', password: 'p' },
        'host.test:5000': { username: 'other', password: 'p' },
        'tokens.test': { identitytoken: 't' },
      }),
    );
    expect(credentialsFor('docker.io')).toEqual({ username: 'hub', password: 'p' });
    expect(credentialsFor('host.test:5000')).toEqual({ username: 'other', password: 'p' });
    expect(credentialsFor('elsewhere.test')).toBeUndefined();
    expect(credentialsFor('tokens.test')).toEqual({ identityToken: 't' });
  });
});

test.each([
  ['', 'docker.io'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['registry-1.docker.io', 'docker.io'],
  ['http://127.0.0.1:5000', '127.0.0.1:5000'],
  ['host.test/v2/', 'host.test'],
  ['[::1]:5000', '[::1]:5000'],
])('the server address "%s" means %s', (address, domain) => {
  expect(registryDomain(address)).toBe(domain);
});

test('a server address that is none is refused', () => {
  expect(() => registryDomain('http://[bad')).toThrow('unable to parse server address: "http://[bad"');
});
