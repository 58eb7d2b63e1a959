import { loadavg } from 'node:os';
import { startRegistry } from '../test/fixtures/registry.ts';
import { type BenchDaemon, startBerthd } from './engines.ts';

/** What most measurements begin with. */
export interface Bench extends AsyncDisposable {
  readonly berthd: BenchDaemon;
  /** A small image in a registry that every engine may ask; nobody has pulled it yet. */
  readonly image: string;
  /** Of this machine before anything is measured: runnable processes, averaged over a minute. */
  readonly load: number;
}

/** Starts a berthd of its own, with more in its environment if need be, and the registry of base images. */
export async function startBench(env: NodeJS.ProcessEnv = {}): Promise<Bench> {
  await using cleanup = new AsyncDisposableStack();
  const berthd = cleanup.use(await startBerthd(env));
  const registry = cleanup.use(await startRegistry());
  const image = `${new URL(registry.url).host}/library/busybox:latest`;
  const load = loadavg()[0] ?? 0;
  const started = cleanup.move();
  return { berthd, image, load, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
