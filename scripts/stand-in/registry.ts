import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, watch } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How to run Debian's docker-registry. */
export interface RegistryProcessOptions {
  /** Where blobs and tags are kept; may be shared by several registries when all but one are read-only. */
  readonly storage: string;
  /** On 127.0.0.1; 0 takes one from the kernel. */
  readonly port: number;
  /** Takes its configuration, log and pid file. */
  readonly folder: string;
  readonly readOnly?: boolean;
}

export interface RegistryProcess {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly pid: number;
  /** Ends it and resolves when it has ended. */
  stop(): Promise<void>;
}

/**
 * Starts a registry that outlives this process and resolves when it listens. Throws with the registry's own last
 * words when it ends before that.
 */
export async function startRegistryProcess(options: RegistryProcessOptions): Promise<RegistryProcess> {
  await mkdir(options.storage, { recursive: true });
  await mkdir(options.folder, { recursive: true });
  const configFile = join(options.folder, 'config.json'); // YAML is a superset of JSON
  await writeFile(configFile, JSON.stringify(configuration(options), null, 2));
  const logFile = join(options.folder, 'log');
  const log = openSync(logFile, 'w');
  const child = spawn('docker-registry', ['serve', configFile], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  closeSync(log);

  const { promise: url, resolve, reject } = Promise.withResolvers<string>();
  const readLog = () => readFileSync(logFile, 'utf8');
  const lookForAddress = () => {
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(readLog())?.[1];
    if (address !== undefined) resolve(`http://${address}`);
  };
  const watcher = watch(logFile, lookForAddress);
  lookForAddress(); // what it said before the watch began
  child.once('error', reject);
  const ended = Promise.withResolvers<void>();
  child.once('exit', () => {
    ended.resolve();
    reject(new Error(`docker-registry ended: ${readLog().trim().split('\n').at(-1)}`));
  });
  try {
    const started = { url: await url, pid: child.pid ?? 0 };
    await writeFile(join(options.folder, 'pid'), `${started.pid}\n`);
    child.unref();
    const stop = async () => {
      child.ref();
      child.kill();
      await ended.promise;
    };
    return { ...started, stop };
  } finally {
    watcher.close();
  }
}

function configuration(options: RegistryProcessOptions): object {
  return {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: options.storage },
      delete: { enabled: true },
      ...(options.readOnly ? { maintenance: { readonly: { enabled: true } } } : {}),
    },
    http: { addr: `127.0.0.1:${options.port}` },
  };
}

// registry.ts STORAGE PORT FOLDER: starts it and leaves it running.
if (import.meta.main) {
  const [storage = '', port = '', folder = ''] = process.argv.slice(2);
  await startRegistryProcess({ storage, port: Number(port), folder });
}
