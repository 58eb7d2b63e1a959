import { expect, it } from 'vitest';
import { type EngineEvent, Events } from './events.ts';

it('hands each event to its listeners until they stop', () => {
  const events = new Events();
  const seen: string[] = [];
  const stop = events.listen(({ action }) => seen.push(action));
  events.emit('container', 'start', 'a');
  stop();
  events.emit('container', 'die', 'a');
  expect(seen).toEqual(['start']);
});

it('keeps the latest events, in strictly rising time', () => {
  const events = new Events();
  for (let index = 0; index < 300; index += 1) events.emit('image', String(index), 'x');
  const kept: EngineEvent[] = events.between(0n, undefined);
  expect(kept).toHaveLength(256);
  expect(kept.at(-1)?.action).toBe('299');
  expect(
    kept.every(({ timeNano }, index) => index === 0 || timeNano > (kept[index - 1]?.timeNano ?? 0n)),
  ).toBe(true);
});
