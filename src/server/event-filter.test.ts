import { expect, test } from 'vitest';
import type { EngineEvent } from '../engine/index.ts';
import { passesEvent } from './event-filter.ts';

const event = (change: Partial<EngineEvent> = {}): EngineEvent => ({
  type: 'container',
  action: 'start',
  actor: 'abcdef',
  attributes: { name: 'web', image: 'registry:5000/team/nginx:1', colour: 'blue' },
  time: new Date(0),
  timeNano: 0n,
  ...change,
});

test.each<[Record<string, string[]>, Partial<EngineEvent>, boolean]>([
  [{}, {}, true],
  [{ type: ['container'] }, {}, true],
  [{ type: ['image'] }, {}, false],
  [{ container: ['we'] }, {}, true],
  [{ container: ['abc'] }, {}, true],
  [{ container: ['eb'] }, {}, false],
  [{ event: ['start'] }, {}, true],
  [{ event: ['sta'] }, {}, false],
  [{ event: ['exec_create'] }, { action: 'exec_create: sh -c true' }, true],
  [{ event: ['exec_die'] }, { action: 'exec_create: sh' }, false],
  [{ event: ['health_status: healthy'] }, { action: 'health_status: healthy' }, true],
  [{ event: ['health_status: healthy'] }, { action: 'health_status: unhealthy' }, false],
  [{ image: ['registry:5000/team/nginx'] }, {}, true],
  [{ image: ['registry:5000/team/nginx:1'] }, {}, true],
  [{ image: ['nginx'] }, {}, false],
  [{ image: ['web'] }, { type: 'image', attributes: { name: 'web:latest' } }, true],
  [{ volume: ['data'] }, { type: 'volume', actor: 'data', attributes: {} }, true],
  [{ network: ['data'] }, {}, false],
  [{ label: ['colour=blue'] }, {}, true],
  [{ label: ['colour=blue', 'size'] }, {}, false],
  [{ scope: ['swarm'] }, {}, false],
  [{ type: ['container'], container: ['web'], event: ['stop', 'start'] }, {}, true],
])('%j lets %j pass: %s', (filters, change, passes) => {
  expect(passesEvent(event(change), new Map(Object.entries(filters)))).toBe(passes);
});
