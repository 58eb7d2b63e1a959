import { expect, test } from 'vitest';
import { parseHardLimits, rlimits } from './ulimits.ts';

const host = { hardLimits: { nofile: 1000, core: Infinity }, capabilities: [] as string[] };

test('limits become the OCI form, unlimited ones exactly', () => {
  const { rlimits: limits, warnings } = rlimits([{ name: 'core', soft: 0, hard: -1 }], host);
  expect(JSON.stringify(limits)).toBe('[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}]');
  expect(warnings).toEqual([]);
});

test('limits above the host’s are lowered with a warning where they cannot be raised', () => {
  const wish = [{ name: 'nofile', soft: 2000, hard: 3000 }];
  expect(rlimits(wish, host)).toEqual({
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1000, hard: 1000 }],
    warnings: ['ulimit nofile was lowered to 1000: this host does not allow more'],
  });
  expect(rlimits(wish, { ...host, capabilities: ['CAP_SYS_RESOURCE'] }).rlimits[0]?.hard).toBe(3000);
});

test('unknown limits and soft ones above the hard are refused', () => {
  expect(() => rlimits([{ name: 'files', soft: 1, hard: 1 }], host)).toThrow('invalid ulimit type: files');
  expect(() => rlimits([{ name: 'nofile', soft: 2, hard: 1 }], host)).toThrow(
    'ulimit soft limit must be less than or equal to hard limit: 2 > 1',
  );
});

test('the kernel’s table is read', () => {
  const text = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 20000                files
Max nice priority         0                    0                    `;
  expect(parseHardLimits(text)).toEqual({ cpu: Infinity, nofile: 20000, nice: 0 });
});
