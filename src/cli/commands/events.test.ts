import { expect, test } from 'vitest';
import { formatEvent, lineFormat } from './events.ts';

test('writes an event in a line, its attributes by name', () => {
  const event = {
    Type: 'container',
    Action: 'start',
    Actor: { ID: 'abc', Attributes: { name: 'web', image: 'busybox' } },
    time: 1795569541,
    timeNano: 1795569541421000000,
  };
  expect(formatEvent(event)).toBe(
    '2026-11-25T01:19:01.421000000Z container start abc (image=busybox, name=web)',
  );
  expect(formatEvent({ ...event, Actor: { ID: 'abc', Attributes: {} } })).toMatch(/start abc$/);
});

test("fills a template with Docker's names of an event's members; an attribute that is not there has no value", () => {
  const event = {
    Type: 'container',
    Action: 'start',
    Actor: { ID: 'abc', Attributes: { name: 'web', image: 'busybox' } },
    scope: 'local',
    time: 1795569541,
    timeNano: 1795569541421000000,
  };
  const line = (format: string) => lineFormat(format)(event);
  expect(line('{{.Actor.Attributes.nope}}|{{.Actor.Attributes.name}}')).toBe('<no value>|web');
  expect(line('{{.Type}} {{.Action}} {{.Scope}} {{.Time}} {{.Status}} {{.ID}} {{.From}}')).toBe(
    'container start local 1795569541 start abc busybox',
  );
  expect(line('json')).toBe(JSON.stringify(event));
  expect(() => line('{{.Nope}}')).toThrow('Nope');
  expect(() => line('{{.Actor.Nope}}')).toThrow('Nope');
});
