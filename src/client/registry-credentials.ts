import { mkdir, readFile, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { invalid, run, systemErrorCode, unavailable, writeFileAtomic } from '../base/index.ts';
import type { RegistryAuth } from './types/index.ts';

const DOCKER_HUB = 'docker.io';
/** How Docker's configuration and helpers call Docker Hub. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

/** Where credentials went. */
export type KeptIn =
  | { readonly kind: 'helper'; readonly program: string }
  | { readonly kind: 'file'; readonly path: string };

type Config = Readonly<Record<string, unknown>>;

/**
 * The user's credentials for registries, where Docker's own CLI keeps them: config.json (in DOCKER_CONFIG, else
 * ~/.docker) and the credential helpers that it names. Every method throws `invalid` for a broken file and
 * `unavailable` for a helper that fails.
 */
export class RegistryCredentials {
  readonly #path: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
    this.#path = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker'), 'config.json');
  }

  /** By a registry's host with its port, docker.io for Docker Hub; undefined where the user has not logged in. */
  async get(domain: string): Promise<RegistryAuth | undefined> {
    const config = await this.#read();
    const key = keyOf(domain);
    const helper = helperFor(config, key);
    if (helper !== undefined) return this.#ask(helper, key);
    const entry = Object.entries(table(config, 'auths')).find(([name]) => keyOf(hostOf(name)) === key)?.[1];
    return parseEntry(entry, key, this.#path);
  }

  /** All that config.json knows of, by its keys: a build does not say beforehand which registries it needs. */
  async all(): Promise<Readonly<Record<string, RegistryAuth>>> {
    const config = await this.#read();
    const keys = new Set([
      ...Object.keys(table(config, 'auths')),
      ...Object.keys(table(config, 'credHelpers')),
    ]);
    const found: Record<string, RegistryAuth> = {};
    for (const key of keys) {
      const auth = await this.get(hostOf(key));
      if (auth !== undefined) found[keyOf(hostOf(key))] = auth;
    }
    return found;
  }

  async store(
    domain: string,
    auth: { readonly username: string; readonly password: string },
  ): Promise<KeptIn> {
    const config = await this.#read();
    const key = keyOf(domain);
    const helper = helperFor(config, key);
    const secret = { ServerURL: key, Username: auth.username, Secret: auth.password };
    if (helper !== undefined) await this.#runHelper(helper, 'store', JSON.stringify(secret));
    const text = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
    // With a helper the entry is empty: it only says that the user has logged in there.
    const entry = helper === undefined ? { auth: text } : {};
    await this.#write({ ...config, auths: { ...table(config, 'auths'), [key]: entry } });
    return helper === undefined
      ? { kind: 'file', path: this.#path }
      : { kind: 'helper', program: programOf(helper) };
  }

  /** Forgets a registry's credentials; returns whether there were any. */
  async erase(domain: string): Promise<boolean> {
    const config = await this.#read();
    const key = keyOf(domain);
    const helper = helperFor(config, key);
    const known = helper !== undefined && (await this.#ask(helper, key)) !== undefined;
    if (helper !== undefined && known) await this.#runHelper(helper, 'erase', key);
    const auths = Object.entries(table(config, 'auths'));
    const others = auths.filter(([name]) => keyOf(hostOf(name)) !== key);
    if (others.length === auths.length) return known;
    await this.#write({ ...config, auths: Object.fromEntries(others) });
    return true;
  }

  async #read(): Promise<Config> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return {};
      throw unavailable(`${this.#path} cannot be read (${systemErrorCode(error)})`, { cause: error });
    }
    try {
      const value: unknown = JSON.parse(text.trim() === '' ? '{}' : text);
      if (isTable(value)) return value;
    } catch (error) {
      throw invalid(`${this.#path} is no valid JSON`, { cause: error });
    }
    throw invalid(`${this.#path} is no JSON object`);
  }

  async #write(config: Config): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const path = await realpath(this.#path).catch(() => this.#path); // a symlink stays one
    await writeFileAtomic(path, `${JSON.stringify(config, undefined, '\t')}\n`, 0o600);
  }

  async #ask(helper: string, key: string): Promise<RegistryAuth | undefined> {
    const answer = await this.#runHelper(helper, 'get', key);
    if (answer === undefined) return undefined;
    const { Username, Secret } = parseAnswer(answer, helper);
    if (typeof Username !== 'string' || typeof Secret !== 'string' || Username === '') return undefined;
    return Username === '<token>'
      ? { serveraddress: key, identitytoken: Secret }
      : { serveraddress: key, username: Username, password: Secret };
  }

  /** What a helper prints (docker-credential-helpers, "Development"); undefined where it knows nothing. */
  async #runHelper(
    helper: string,
    action: 'get' | 'store' | 'erase',
    input: string,
  ): Promise<string | undefined> {
    const program = programOf(helper);
    const { code, stdout, stderr } = await run(program, [action], { input, env: this.#env });
    if (code === 0) return stdout.toString();
    const reason = stdout.toString().trim() || stderr.trim();
    if (reason.includes('credentials not found')) return undefined;
    throw unavailable(`${program} ${action} failed: ${reason || `exit code ${code}`}`);
  }
}

function programOf(helper: string): string {
  return `docker-credential-${helper}`;
}

function keyOf(domain: string): string {
  return domain === DOCKER_HUB ? DOCKER_HUB_KEY : domain;
}

/** Keys of config.json may be hosts or URLs. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return host === 'index.docker.io' ? DOCKER_HUB : host;
}

function helperFor(config: Config, key: string): string | undefined {
  const own = table(config, 'credHelpers')[key];
  const helper = typeof own === 'string' ? own : config.credsStore;
  if (typeof helper !== 'string' || helper === '') return undefined;
  if (!/^[\w.-]+$/.test(helper)) throw invalid(`"${helper}" is no name of a credential helper`);
  return helper;
}

function parseEntry(entry: unknown, key: string, path: string): RegistryAuth | undefined {
  if (!isTable(entry)) return undefined;
  const { auth, identitytoken, username, password } = entry;
  if (typeof identitytoken === 'string' && identitytoken !== '') return { serveraddress: key, identitytoken };
  if (typeof username === 'string' && typeof password === 'string')
    return { serveraddress: key, username, password };
  if (typeof auth !== 'string' || auth === '') return undefined;
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 1) throw invalid(`${path} has a malformed "auth" for ${key}`);
  const secret = text.slice(colon + 1).replace(/\0+$/, ''); // old clients padded it
  return { serveraddress: key, username: text.slice(0, colon), password: secret };
}

function parseAnswer(answer: string, helper: string): Config {
  try {
    const value: unknown = JSON.parse(answer);
    if (isTable(value)) return value;
  } catch (error) {
    throw unavailable(`${programOf(helper)} answered no JSON`, { cause: error });
  }
  throw unavailable(`${programOf(helper)} answered no JSON object`);
}

function table(config: Config, name: string): Config {
  const value = config[name];
  return isTable(value) ? value : {};
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
