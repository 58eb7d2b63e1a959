import { ComputerControl } from '../../../vm/index.ts';
import type { ContainerRecord } from '../container.ts';
import { type ContainerContext, runtimeRoot } from '../context.ts';

/** What the monitor of a machine that runs can be asked. */
export function computerControl(
  context: ContainerContext,
  { id }: Pick<ContainerRecord, 'id'>,
): ComputerControl {
  return new ComputerControl(`${runtimeRoot(context)}/${id}`, context.parts.computers.runtime.path);
}
