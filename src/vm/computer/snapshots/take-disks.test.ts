import { describe, expect, test } from 'vitest';
import { unavailable } from '../../../base/index.ts';
import type { ComputerMonitor } from '../monitor.ts';
import { takeDiskSnapshot } from './take-disks.ts';

/** A computer and its guest's agent, which note what they are asked. */
function computer({ freezes = true, savesDisks = true, status = 'running', onFreeze = () => {} } = {}) {
  const asked: string[] = [];
  const monitor: ComputerMonitor = {
    async execute(command) {
      asked.push(command);
      if (command === 'query-status') return { status };
      if (!savesDisks) throw unavailable('no space left on device');
      return {};
    },
    events: () => Promise.reject(new Error('nobody needs them')),
  };
  const guest = {
    async writeOut() {
      asked.push('write out');
    },
    async freeze() {
      asked.push('freeze');
      onFreeze();
      if (!freezes) throw unavailable('the guest agent refuses: it is busy');
    },
    async thaw() {
      asked.push('thaw');
    },
  };
  const take = (signal = new AbortController().signal, agent: typeof guest | undefined = guest) =>
    takeDiskSnapshot(monitor, { tag: 'one', nodes: ['disk-root'], guest: agent, signal });
  return { asked, take };
}

describe('the file systems of a guest whose disks are saved', () => {
  test('are held still meanwhile', async () => {
    const { asked, take } = computer();
    expect(await take()).toEqual({ kind: 'frozen', heldFor: expect.any(Number) });
    expect(asked).toEqual(['query-status', 'write out', 'freeze', 'transaction', 'thaw']);
  });

  test('are let go when the disks cannot be saved', async () => {
    const { asked, take } = computer({ savesDisks: false });
    await expect(take()).rejects.toThrow('no space left');
    expect(asked.at(-1)).toBe('thaw');
  });

  test('are let go when the agent did not hold them in time, and it is said', async () => {
    const { asked, take } = computer({ freezes: false });
    expect(await take()).toEqual({ kind: 'running', why: 'the guest agent refuses: it is busy' });
    expect(asked).toEqual(['query-status', 'write out', 'freeze', 'transaction', 'thaw']);
  });

  test('are let go when nobody waits any more', async () => {
    const leaving = new AbortController();
    const { asked, take } = computer({ onFreeze: () => leaving.abort() });
    await expect(take(leaving.signal)).rejects.toThrow('abort');
    expect(asked).toEqual(['query-status', 'write out', 'freeze', 'thaw']);
  });

  test('are not touched in one that stands still', async () => {
    const { asked, take } = computer({ status: 'paused' });
    await expect(take()).rejects.toThrow('the machine stands still (paused)');
    expect(asked).toEqual(['query-status']);
  });
});
