import { expect, test } from 'vitest';
import type { ExitStatus } from '../../runtime/index.ts';
import { endCause, endSentences, type SentSignal, shortReason } from './end-cause.ts';

const STARTED = '2026-01-01T00:00:00.000Z';
const LIMIT = 64 * 1024 * 1024;

function wordsOf(status: Partial<Extract<ExitStatus, { kind: 'exited' }>>, sent?: SentSignal) {
  const whole = {
    kind: 'exited',
    code: 0,
    oomKilled: false,
    finishedAt: new Date(0),
    run: undefined,
    ...status,
  } as const;
  const { code: exitCode, memory } = whole;
  const cause = endCause(whole, STARTED, sent);
  const end = { exitCode, cause, ...(memory === undefined ? {} : { memory }) };
  return [shortReason(end), endSentences(end).join(' ')];
}

const sentBy = (by: SentSignal['by'], signal: number, at = '2026-01-01T00:00:01.000Z'): SentSignal => ({
  by,
  signal,
  at,
});

test.each([
  ['success', { code: 0 }, undefined, undefined, 'It ended by itself, with success.'],
  [
    'a stop that it obeyed with success',
    { code: 0 },
    sentBy('stop', 15),
    undefined,
    'It ended by itself, with success. Before, stop had sent it SIGTERM.',
  ],
  [
    'a missing command of a shell',
    { code: 127 },
    undefined,
    'a command was not found',
    'It ended by itself with exit code 127: a command was not found, as shells say it.',
  ],
  [
    'a code above 128',
    { code: 139 },
    undefined,
    undefined,
    'It ended by itself with exit code 139, which is how shells tell that SIGSEGV ended a command.',
  ],
  [
    'a kill',
    { code: 129, signal: 1 },
    sentBy('kill', 1),
    'kill sent SIGHUP',
    'SIGHUP ended it, sent by kill.',
  ],
  [
    'a stop that a guest made to be felt',
    { code: 137, signal: 9 },
    { ...sentBy('stop', 15), followedInGuest: true as const },
    'stop sent SIGKILL: PID 1 has no handler for SIGTERM and is alone',
    'SIGKILL ended it, sent by stop (PID 1 has no handler for SIGTERM and is alone).',
  ],
  [
    'a restart for bad health',
    { code: 137, signal: 9 },
    { ...sentBy('health', 9), reason: '3 probes failed' },
    'the health check sent SIGKILL: 3 probes failed',
    'SIGKILL ended it, sent by the health check (3 probes failed).',
  ],
  [
    'a SIGKILL that berth sent, although something was out of memory before',
    { code: 137, signal: 9, oomKilled: true },
    sentBy('rm', 9),
    'rm -f sent SIGKILL',
    'SIGKILL ended it, sent by rm -f.',
  ],
  [
    'a lack of memory of the host',
    { code: 137, signal: 9, oomKilled: true, memory: { peak: LIMIT, limit: undefined } },
    undefined,
    'out of memory (of the host)',
    'The kernel killed its first process for lack of memory. ' +
      'It has no limit of its own: the host ran out of memory. It had at most 64MiB in use at once.',
  ],
])('%s in a few words and in sentences', (_, status, sent, short, sentences) => {
  expect(wordsOf(status, sent)).toEqual([short, sentences]);
});

test('a signal that berth sent to an earlier run did not end this one', () => {
  const early = sentBy('kill', 9, '2025-12-31T23:59:59.000Z');
  expect(wordsOf({ code: 137, signal: 9 }, early)[0]).toBe('SIGKILL from outside of berth');
});
