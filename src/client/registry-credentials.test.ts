import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RegistryCredentials } from './registry-credentials.ts';

/** A credential helper that keeps one secret in a file. */
const HELPER = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
case $1 in
  store) cat > kept ;;
  get) if [ -f kept ]; then cat kept; else echo 'credentials not found in native keychain'; exit 1; fi ;;
  erase) rm kept ;;
esac
`;

describe('credentials for registries', () => {
  let folder: string;
  let credentials: RegistryCredentials;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-credentials-'));
    const env = { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env.PATH}` };
    credentials = new RegistryCredentials(env);
    await writeFile(join(folder, 'docker-credential-test'), HELPER, { mode: 0o755 });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const configure = (config: unknown) => writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const configured = async () => JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as unknown;

  test('are none where nobody has logged in', async () => {
    expect(await credentials.get('docker.io')).toBeUndefined();
    expect(await credentials.all()).toEqual({});
    expect(await credentials.erase('docker.io')).toBe(false);
  });

  test('are kept in config.json as Docker does, beside what else is in it', async () => {
    await configure({ detachKeys: 'ctrl-x' });
    const login = { username: 'u', password: 'p:ä' };
    const kept = await credentials.store('docker.io', login);
    expect(kept).toEqual({ kind: 'file', path: join(folder, 'config.json') });
    const auth = Buffer.from('u:p:ä').toString('base64');
    expect(await configured()).toEqual({
      detachKeys: 'ctrl-x',
      auths: { 'https://index.docker.io/v1/': { auth } },
    });
    expect((await stat(join(folder, 'config.json'))).mode & 0o777).toBe(0o600);
    const found = { serveraddress: 'https://index.docker.io/v1/', ...login };
    expect(await credentials.get('docker.io')).toEqual(found);
    expect(await credentials.all()).toEqual({ 'https://index.docker.io/v1/': found });
    expect(await credentials.erase('docker.io')).toBe(true);
    expect(await configured()).toEqual({ detachKeys: 'ctrl-x', auths: {} });
  });

  test('are found under a URL, too', async () => {
    const auth = Buffer.from('u:p').toString('base64');
    await configure({ auths: { 'https://registry.test:5000/v2/': { auth } } });
    expect(await credentials.get('registry.test:5000')).toMatchObject({ username: 'u', password: 'p' });
  });

  test.each([
    { title: 'a helper for all registries', config: { credsStore: 'test' } },
    { title: 'a helper for one registry', config: { credHelpers: { 'registry.test': 'test' } } },
  ])('are kept by $title', async ({ config }) => {
    await configure(config);
    expect(await credentials.get('registry.test')).toBeUndefined();
    const kept = await credentials.store('registry.test', { username: 'u', password: 'p' });
    expect(kept).toEqual({ kind: 'helper', program: 'docker-credential-test' });
    expect(await configured()).toEqual({ ...config, auths: { 'registry.test': {} } });
    const found = { serveraddress: 'registry.test', username: 'u', password: 'p' };
    expect(await credentials.get('registry.test')).toEqual(found);
    expect(await credentials.all()).toEqual({ 'registry.test': found });
    expect(await credentials.erase('registry.test')).toBe(true);
    expect(await credentials.get('registry.test')).toBeUndefined();
  });

  test('fail with the name of a helper that is not installed', async () => {
    await configure({ credsStore: 'absent' });
    await expect(credentials.get('registry.test')).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'the program docker-credential-absent is not installed',
    });
  });

  test('fail for a helper whose name is a path, and for a broken file', async () => {
    await configure({ credsStore: '../x' });
    await expect(credentials.get('registry.test')).rejects.toMatchObject({ kind: 'invalid' });
    await writeFile(join(folder, 'config.json'), '{');
    await expect(credentials.get('registry.test')).rejects.toMatchObject({
      kind: 'invalid',
      message: `${join(folder, 'config.json')} is no valid JSON`,
    });
  });
});
