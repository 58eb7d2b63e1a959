import { expect, test } from 'vitest';
import { OPERATIONS, type Operation, STATES } from './operations.ts';
import { operationsPage } from './operations-page.ts';

test('the page in the documentation is the table (vitest -u writes it)', async () => {
  await expect(operationsPage()).toMatchFileSnapshot('../../../docs/reference/container-operations.md');
});

test('has an effect for every operation in every state', () => {
  for (const { effects } of Object.values<Operation>(OPERATIONS)) {
    expect(Object.keys(effects).toSorted()).toEqual([...STATES].toSorted());
  }
});
