import { notImplemented } from '../base/index.ts';
import type { Cli } from './cli.ts';

/**
 * `berth compose`, also called as docker-compose: `path` is how it was called, for its usage texts, `words` what
 * follows. Sets `cli.exitCode` or throws.
 */
export async function runCompose(_cli: Cli, path: string, _words: readonly string[]): Promise<void> {
  throw notImplemented(`${path} is not implemented`);
}
