import type { EngineClient } from '../client/index.ts';

/** What every command gets: who it is called as, and the way to the engine. */
export interface Cli {
  /** The name that usage texts show: "berth", or "docker" when called by that name. */
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  /** The process's exit code; a command sets it when it is not 0 and nothing was thrown. */
  exitCode: number;
  /** A client of the engine, which answers. Starts the daemon where that is ours to do. Throws when nothing answers. */
  connect(): Promise<EngineClient>;
}
