import { type ContainerContext, emit, runningOf } from './context.ts';
import { admitActive } from './operations.ts';

/** Its processes stand still. Throws `conflict` when they do already, or there are none. */
export async function pauseContainer(context: ContainerContext, reference: string): Promise<void> {
  await changePause(context, reference, 'pause');
}

/** They go on. Throws `conflict` when they do already; a machine whose disk has no room on the host yet stands still again. */
export async function unpauseContainer(context: ContainerContext, reference: string): Promise<void> {
  await changePause(context, reference, 'unpause');
}

async function changePause(
  context: ContainerContext,
  reference: string,
  operation: 'pause' | 'unpause',
): Promise<void> {
  const { id } = context.collection.find(reference);
  await context.collection.exclusively(id, async () => {
    const record = context.collection.find(id);
    const { noRoom: _noRoom, ...state } = admitActive(record, operation);
    const { supervisor } = runningOf(context, record);
    await (operation === 'pause' ? supervisor.pause() : supervisor.resume());
    const status = operation === 'pause' ? 'paused' : 'running';
    emit(context, context.collection.note(id, { state: { ...state, status } }), operation);
  });
}
