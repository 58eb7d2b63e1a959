import { describe, expect, it } from 'vitest';
import { KeyedLock } from './keyed-lock.ts';

/** Holds a key until it is let go. */
function hold(lock: KeyedLock, key: string) {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { held: lock.run(key, () => promise), letGo: () => resolve('held') };
}

describe('work under one key', () => {
  it('waits for what was asked for before it, whatever came of that, and not for other keys', async () => {
    const lock = new KeyedLock();
    const order: string[] = [];
    const first = hold(lock, 'a');
    const failing = lock.run('a', async () => {
      order.push('failing');
      throw new Error('no');
    });
    const last = lock.run('a', async () => order.push('last'));
    await lock.run('b', async () => order.push('other'));
    first.letGo();
    await expect(failing).rejects.toThrow('no');
    expect([await first.held, await last, order]).toEqual(['held', 3, ['other', 'failing', 'last']]);
  });

  it('is left out when its signal aborts while it waits, and whoever is behind still waits for the first', async () => {
    const lock = new KeyedLock();
    const order: string[] = [];
    const gone = new AbortController();
    const first = hold(lock, 'a');
    const leaving = lock.run('a', async () => order.push('left'), gone.signal);
    const behind = lock.run('a', async () => order.push('behind'));
    gone.abort(new Error('the client has gone'));
    await expect(leaving).rejects.toThrow('the client has gone');
    const later = lock.run('a', async () => order.push('later'));
    expect(order).toEqual([]);
    first.letGo();
    await Promise.all([behind, later]);
    expect(order).toEqual(['behind', 'later']);
  });

  it('does not begin with a signal that has aborted, and is not ended by one once it has begun', async () => {
    const lock = new KeyedLock();
    const aborted = AbortSignal.abort(new Error('gone before'));
    await expect(lock.run('a', async () => 'done', aborted)).rejects.toThrow('gone before');
    const gone = new AbortController();
    const begun = lock.run(
      'a',
      async () => {
        gone.abort();
        return 'done';
      },
      gone.signal,
    );
    expect(await begun).toBe('done');
  });
});
