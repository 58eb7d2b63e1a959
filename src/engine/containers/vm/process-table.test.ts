import { describe, expect, it } from 'vitest';
import type { GuestRecord } from '../../../vm/index.ts';
import { guestProcessTable } from './process-table.ts';

/** Fields of proc(5) from the state on: parent 0, terminal 136:1, 250 ticks of user time, start after 100 s. */
const SHELL: GuestRecord = {
  pid: 120,
  stat: '120 (my (sh)) S 1 1 1 34817 1 4194304 1 2 3 4 200 50 0 0 20 0 1 0 10000 4096000 256 18446744073709551615',
  status: 'Name:\tsh\nUid:\t0\t1000\t0\t0\nNSpid:\t120\t1\n',
  command: ['sh', '-c', 'sleep 5'],
  user: 'alice',
};
const ENDED: GuestRecord = {
  pid: 131,
  stat: '131 (true) Z 120 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 20000 0 0 0',
  status: 'Uid:\t0\t0\t0\t0\nNSpid:\t131\t7\n',
  command: [],
  user: 'root',
};
const booted = Date.parse('2026-01-02T03:00:00') / 1000;
const accounts = new Map([
  ['stat', `cpu  1 2 3 4\nbtime ${booted}\n`],
  ['meminfo', 'MemTotal:        1024 kB\n'],
]);
const now = new Date((booted + 110) * 1000);
const table = (...options: string[]) => guestProcessTable([SHELL, ENDED], options, { accounts, now });

describe("a guest's processes", () => {
  it('are shown as by ps -ef', () => {
    const { titles, processes } = table('-ef');
    expect(titles).toEqual(['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
    expect(processes).toEqual([
      ['alice', '1', '0', '25', '03:01', 'pts/1', '00:00:02', 'sh -c sleep 5'],
      ['root', '7', '1', '0', '03:03', '?', '00:00:00', '[true]'],
    ]);
  });

  it('are shown as by ps aux', () => {
    const { titles, processes } = table('aux');
    expect(titles.slice(0, 4)).toEqual(['USER', 'PID', '%CPU', '%MEM']);
    expect(processes[0]?.slice(0, 6)).toEqual(['alice', '1', '25.0', '100.0', '4000', '1024']);
  });

  it('have the columns that are named', () => {
    expect(table('-o', 'pid,comm,nlwp')).toEqual({
      titles: ['PID', 'COMMAND', 'NLWP'],
      processes: [
        ['1', 'my (sh)', '1'],
        ['7', 'true', '1'],
      ],
    });
    expect(table('-eopid,uid').processes[0]).toEqual(['1', '1000']);
  });

  it('cannot move the cursor of who looks at them', () => {
    const named = {
      ...SHELL,
      command: ['sh', '\x1b]0;mine\x07\u009b2J'],
      stat: '120 (\x1b[2J) S 1',
      user: 'a\rb',
    };
    expect(guestProcessTable([named], ['-o', 'user,comm,args'], { accounts, now }).processes).toEqual([
      ['a?b', '?[2J', 'sh ?]0;mine??2J'],
    ]);
  });

  it.each([['-o', 'pid,mood'], ['--forest'], ['-ef', '-o', 'pid']])(
    'refuse %s, naming what there is',
    (...options) => {
      expect(() => table(...options)).toThrow('cannot be told of a virtual machine');
    },
  );
});
