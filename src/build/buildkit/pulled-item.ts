import type { StepNews } from '../contract.ts';

/** What a line of a pull's progress (Engine API, ImageCreate) tells of one layer; undefined for lines about the pull as a whole. */
export function pulledItem(line: object): Extract<StepNews, { kind: 'progress' }> | undefined {
  const { id, status, progressDetail }: Record<string, unknown> = { ...line };
  if (typeof id !== 'string' || typeof status !== 'string' || !/^[0-9a-f]{12}$/.test(id)) return undefined;
  const { current, total }: Record<string, unknown> = { ...Object(progressDetail) };
  const bytes = (value: unknown) => (typeof value === 'number' && value > 0 ? Math.floor(value) : 0);
  return {
    kind: 'progress',
    item: id,
    current: bytes(current),
    total: bytes(total),
    isDone: /^(Pull complete|Already exists)$/.test(status),
  };
}
