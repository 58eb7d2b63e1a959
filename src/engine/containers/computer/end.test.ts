import { expect, test } from 'vitest';
import { type EndCause, endSentences, shortReason } from '../end-cause.ts';
import { computerEndCause } from './end.ts';

const PRESSED = { by: 'stop', signal: 15, at: '2026-01-01T00:00:01.000Z' } as const;

function wordsOf(cause: EndCause, exitCode: number, lines: readonly string[] = []) {
  const log = lines.map((text) => ({ text }));
  const end = { exitCode, cause: computerEndCause(cause, exitCode, log) };
  return [shortReason(end), endSentences(end).join(' ')];
}

test.each<[string, EndCause, number, string[], string | undefined, string]>([
  ['it switches itself off', { kind: 'exit' }, 0, ['Bye'], undefined, 'Its system switched it off.'],
  [
    'it obeys its power button',
    { kind: 'exit', after: PRESSED },
    0,
    [],
    undefined,
    'Its system switched it off. Before, stop had pressed its power button.',
  ],
  [
    'its kernel panics',
    { kind: 'exit' },
    1,
    ['up', 'berth: the virtual machine has stopped: its kernel panicked'],
    'its kernel panicked',
    'It ended without being switched off: its kernel panicked.',
  ],
  [
    'QEMU ends of an error of its own',
    { kind: 'exit' },
    1,
    ['berth: the virtual machine has stopped: QEMU ended: cannot write', 'No space left on device'],
    'QEMU ended: cannot write No space left on device',
    'It ended without being switched off: QEMU ended: cannot write No space left on device.',
  ],
  [
    'it keeps no log',
    { kind: 'exit' },
    1,
    [],
    'its console tells why: berth vm logs',
    'It ended without being switched off. Why stands at the end of its console.',
  ],
  [
    'it is killed',
    { kind: 'signal', signal: 9, sender: { ...PRESSED, by: 'kill', signal: 9 } },
    137,
    [],
    'kill sent SIGKILL',
    'SIGKILL ended it, sent by kill.',
  ],
])('why a machine ended is told when %s', (_, cause, exitCode, lines, short, sentences) => {
  expect(wordsOf(cause, exitCode, lines)).toEqual([short, sentences]);
});
