import { statfs } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { type ContainerId, errorMessage } from '../../../base/index.ts';
import { standsStillForRoom } from '../../../vm/index.ts';
import { computerControl } from '../computer/control.ts';
import { type ContainerRecord, hasOwnKernel, standstillReason } from '../container.ts';
import { type ContainerContext, containerDirectory, emit } from '../context.ts';
import { unpauseContainer } from '../pause.ts';

/** Bytes: with less than this the guest would soon stand still again. */
const ENOUGH = 16 * 1024 ** 2;

/** Nobody tells when files are deleted: milliseconds between two looks, while a machine stands still. */
const LOOK_EVERY = 1000;

/**
 * Watches a virtual machine, of either kind, until it ends: when a write to its disk finds no room on the host its guest stands still, which
 * is then its state, and goes on as soon as there is room again.
 */
export function watchRoom(context: ContainerContext, record: Pick<ContainerRecord, 'id' | 'host'>): void {
  if (!hasOwnKernel(record)) return;
  const { id } = record;
  watch(context, id).catch((error: unknown) => {
    const details = { id, error: errorMessage(error) };
    context.parts.log.error(details, 'nobody sees any more whether a machine has room on its disk');
  });
}

async function watch(context: ContainerContext, id: ContainerId): Promise<void> {
  let waiting = new AbortController();
  try {
    for await (const lacksRoom of standsStillForRoom(computerControl(context, { id }))) {
      waiting.abort();
      waiting = new AbortController();
      const change = () => (lacksRoom ? noteStandstill(context, id) : noteGoingOn(context, id));
      await context.collection.exclusively(id, async () => change());
      if (lacksRoom) void goOnWithRoom(context, id, waiting.signal);
    }
  } finally {
    waiting.abort();
  }
}

function noteStandstill(context: ContainerContext, id: ContainerId): void {
  const record = context.collection.get(id);
  if (record?.state.status !== 'running') return;
  const state = { ...record.state, status: 'paused', noRoom: true } as const;
  emit(context, context.collection.note(id, { state }), 'pause', { reason: standstillReason(state) ?? '' });
}

/** It was let go on, and berthd ended before that was recorded. */
function noteGoingOn(context: ContainerContext, id: ContainerId): void {
  const record = context.collection.get(id);
  if (record?.state.status !== 'paused' || !record.state.noRoom) return;
  const { noRoom: _noRoom, ...state } = record.state;
  emit(context, context.collection.note(id, { state: { ...state, status: 'running' } }), 'unpause');
}

async function goOnWithRoom(context: ContainerContext, id: ContainerId, signal: AbortSignal): Promise<void> {
  for (; !signal.aborted; await setTimeout(LOOK_EVERY, undefined, { signal }).catch(() => {})) {
    if (!(await hasRoom(containerDirectory(context, id)))) continue;
    await unpauseContainer(context, id).catch((error: unknown) => {
      context.parts.log.info({ id, error: errorMessage(error) }, 'a machine does not go on yet');
    });
  }
}

/** What is kept for root is not QEMU's. A folder that is gone has no room. */
async function hasRoom(path: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(path).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize >= ENOUGH;
}
