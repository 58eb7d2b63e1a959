import { BerthError, invalid } from '../../base/index.ts';
import type { ContainerRecord } from './container.ts';
import { type ContainerContext, emit } from './context.ts';
import { refreshNames } from './dns-names.ts';
import { requireContainerName } from './names.ts';

/** Gives a container another name, on its networks too. Throws `invalid` or `conflict` in Docker's words. */
export async function renameContainer(
  context: ContainerContext,
  reference: string,
  wanted: string,
): Promise<void> {
  const { id } = context.collection.find(reference);
  const name = wanted.replace(/^\//, '');
  if (name === '') throw invalid('Neither old nor new names may be empty');
  await context.collection.exclusively(id, async () => {
    const { name: oldName } = context.collection.find(id);
    if (name === oldName) throw invalid('Renaming a container with the same name as its current name');
    const renamed = allocate(context, id, name);
    refreshNames(context, renamed);
    emit(context, renamed, 'rename', { oldName: `/${oldName}` });
  });
}

function allocate(
  { collection }: ContainerContext,
  id: ContainerRecord['id'],
  name: string,
): ContainerRecord {
  try {
    requireContainerName(name, `/${name}`);
    return collection.rename(id, name);
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    throw new BerthError(error.kind, `Error when allocating new name: ${error.message}`, { cause: error });
  }
}
