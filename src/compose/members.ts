import { isBerthError } from '../base/index.ts';
import type {
  AttachOptions,
  EngineClient,
  HijackedStream,
  LogOptions,
  OutputStream,
  PendingExit,
  WaitCondition,
} from '../client/index.ts';

/** What containers and machines have in common: a life, a console, and the words for them. */
export interface Members {
  start(reference: string): Promise<unknown>;
  stop(reference: string, options: { timeout?: number | undefined }): Promise<unknown>;
  restart(reference: string, options: { timeout?: number | undefined }): Promise<unknown>;
  kill(reference: string): Promise<unknown>;
  pause(reference: string): Promise<unknown>;
  unpause(reference: string): Promise<unknown>;
  remove(reference: string, options: { force?: boolean; volumes?: boolean }): Promise<unknown>;
  inspect(
    reference: string,
    options: { signal?: AbortSignal },
  ): Promise<{ readonly Id: string; readonly State: MemberState }>;
  logs(reference: string, options: Omit<LogOptions, 'stdout' | 'stderr'>): Promise<OutputStream>;
  attach(reference: string, options: AttachOptions): Promise<HijackedStream>;
  wait(reference: string, options: { condition?: WaitCondition; signal?: AbortSignal }): Promise<PendingExit>;
}

export interface MemberState {
  readonly Status: string;
  readonly Running: boolean;
  readonly Restarting: boolean;
  readonly Dead?: boolean;
  readonly ExitCode: number;
  readonly FinishedAt: string;
  readonly Health?: { readonly Status: string };
}

/**
 * Does something to a member of a project: a container, or a machine, as their names are shared. Throws what is thrown for
 * containers when it is neither.
 */
export async function ofEither<T>(
  { containers, machines }: EngineClient,
  work: (members: Members) => Promise<T>,
): Promise<T> {
  try {
    return await work(containers);
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    try {
      return await work(machines);
    } catch (other) {
      throw isBerthError(other, 'not-found') ? error : other;
    }
  }
}
