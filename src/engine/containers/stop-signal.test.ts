import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { expect, it } from 'vitest';
import { knowsSignal, signalName } from './stop-signal.ts';

const { SIGTERM, SIGINT, SIGKILL } = constants.signals;

it('sees the signals that a process handles, ignores or blocks', () => {
  expect(
    knowsSignal('SigBlk:\t0000000000000000\nSigIgn:\t0000000000004000\nSigCgt:\t0000000000000000', SIGTERM),
  ).toBe(true);
  expect(
    knowsSignal('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000002', SIGINT),
  ).toBe(true);
  expect(
    knowsSignal('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000002', SIGTERM),
  ).toBe(false);
});

it('reads this very process', async () => {
  const handle = () => {};
  process.on('SIGTERM', handle);
  expect(knowsSignal(await readFile('/proc/self/status', 'utf8'), SIGTERM)).toBe(true);
  process.off('SIGTERM', handle);
});

it('names signals', () => {
  expect([signalName(SIGKILL), signalName(60)]).toEqual(['SIGKILL', '60']);
});
