import { expect, test } from 'vitest';
import { parseTmpfs, parseVolumes } from './mounts.ts';

test('tells binds and named volumes from anonymous ones', () => {
  expect(parseVolumes(['/a:/b:ro', 'vol:/c', '/d', './rel:/e'])).toEqual({
    binds: ['/a:/b:ro', 'vol:/c', `${process.cwd()}/rel:/e`],
    anonymous: { '/d': {} },
  });
});

test('splits tmpfs options from the path', () => {
  expect(parseTmpfs(['/run', '/tmp:size=1m,mode=1777'])).toEqual({ '/run': '', '/tmp': 'size=1m,mode=1777' });
});
