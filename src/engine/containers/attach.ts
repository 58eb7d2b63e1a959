import type { ContainerId } from '../../base/index.ts';
import type { AttachOptions, AttachSession, Supervisor } from '../../runtime/index.ts';
import { isActive } from './container.ts';
import { type ContainerContext, emit, runningOf } from './context.ts';
import { admit } from './operations.ts';

/** A client that is attached, or will be when the container starts. */
export interface Attachment {
  readonly terminal: boolean;
  /** Resolves when there is a process to talk to; rejects when the start fails or the client goes away. */
  readonly session: Promise<AttachSession>;
}

/**
 * Clients that attached before the start, as `docker run` does: they are connected to the supervisor after
 * it is ready and before the process runs, so that no byte is missed.
 */
export class PendingAttachments {
  readonly #waiting = new Map<ContainerId, Set<Pending>>();

  add(id: ContainerId, options: AttachOptions, signal: AbortSignal): Promise<AttachSession> {
    const { promise, resolve, reject } = Promise.withResolvers<AttachSession>();
    const pending = { options, resolve, reject };
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(pending));
    signal.addEventListener(
      'abort',
      () => {
        waiting.delete(pending);
        reject(signal.reason);
      },
      { once: true },
    );
    return promise;
  }

  async connect(id: ContainerId, supervisor: Supervisor): Promise<void> {
    await Promise.all(
      this.#take(id).map(async ({ options, resolve, reject }) => {
        try {
          resolve(await supervisor.attach(options));
        } catch (error) {
          reject(error);
        }
      }),
    );
  }

  /** The start failed: everyone who waited hears why. */
  refuse(id: ContainerId, reason: unknown): void {
    for (const { reject } of this.#take(id)) reject(reason);
  }

  #take(id: ContainerId): Pending[] {
    const waiting = [...(this.#waiting.get(id) ?? [])];
    this.#waiting.delete(id);
    return waiting;
  }
}

interface Pending {
  readonly options: AttachOptions;
  readonly resolve: (session: AttachSession) => void;
  readonly reject: (reason: unknown) => void;
}

/** Attaches to a container that runs, or to one that will: then the session comes with its start. */
export function attachToContainer(
  context: ContainerContext,
  reference: string,
  options: AttachOptions,
  signal: AbortSignal,
): Attachment {
  const record = context.collection.find(reference);
  const terminal = record.config.tty;
  const running = context.running.get(record.id);
  const wanted = { ...options, stdin: options.stdin && record.config.openStdin };
  admit(record, 'attach');
  emit(context, record, 'attach');
  if (running !== undefined && isActive(record.state)) {
    return { terminal, session: running.supervisor.attach(wanted) };
  }
  return { terminal, session: context.attachments.add(record.id, wanted, signal) };
}

/** Sets the size of the container's terminal. */
export async function resizeContainer(
  context: ContainerContext,
  reference: string,
  rows: number,
  columns: number,
): Promise<void> {
  const record = context.collection.find(reference);
  admit(record, 'resize');
  const { supervisor } = runningOf(context, record);
  // Without a terminal there is nothing to size, which Docker takes for done.
  if (record.config.tty) await supervisor.resize(rows, columns);
  emit(context, record, 'resize', { height: String(rows), width: String(columns) });
}
