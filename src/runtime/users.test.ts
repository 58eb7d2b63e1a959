import { describe, expect, test } from 'vitest';
import { resolveUser } from './users.ts';

const accounts = {
  passwd: `
# system accounts
root:x:0:0:root:/root:/bin/sh
www:x:33:34::/var/www:/bin/false
  spaced:x:40:41::/home/spaced:/bin/sh
homeless:x:50:50
`,
  group: 'root:x:0:\nwww:x:34:\nlogs:x:4:www,other\naudio:x:29:other,www\n123:x:77:\n',
};

describe('resolveUser', () => {
  test.each([
    ['', { uid: 0, gid: 0, additionalGids: [0], home: '/root' }],
    ['root', { uid: 0, gid: 0, additionalGids: [0], home: '/root' }],
    ['www', { uid: 33, gid: 34, additionalGids: [34, 4, 29], home: '/var/www' }],
    ['33', { uid: 33, gid: 34, additionalGids: [34, 4, 29], home: '/var/www' }],
    ['spaced', { uid: 40, gid: 41, additionalGids: [41], home: '/home/spaced' }],
    ['homeless', { uid: 50, gid: 50, additionalGids: [50], home: '/' }],
    ['4711', { uid: 4711, gid: 0, additionalGids: [0], home: '/' }],
    ['4711:99', { uid: 4711, gid: 99, additionalGids: [99], home: '/' }],
    ['www:logs', { uid: 33, gid: 4, additionalGids: [4], home: '/var/www' }],
    ['www:', { uid: 33, gid: 34, additionalGids: [34, 4, 29], home: '/var/www' }],
    [':logs', { uid: 0, gid: 4, additionalGids: [4], home: '/root' }],
    ['0:123', { uid: 0, gid: 123, additionalGids: [123], home: '/root' }],
  ])('"%s" is resolved as Docker does', (text, user) => {
    expect(resolveUser(text, accounts)).toEqual(user);
  });

  test('without account files only numbers work', () => {
    const none = { passwd: '', group: '' };
    expect(resolveUser('', none)).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: '/' });
    expect(resolveUser('7', none)).toEqual({ uid: 7, gid: 0, additionalGids: [0], home: '/' });
    expect(() => resolveUser('root', none)).toThrow(
      'unable to find user root: no matching entries in passwd file',
    );
  });

  test('unknown names and impossible ids are refused in Docker’s words', () => {
    expect(() => resolveUser('nobody', accounts)).toThrow(
      'unable to find user nobody: no matching entries in passwd file',
    );
    expect(() => resolveUser('www:none', accounts)).toThrow(
      'unable to find group none: no matching entries in group file',
    );
    expect(() => resolveUser('99999999999', accounts)).toThrow('must be in range 0-2147483647');
  });

  test('added groups are names or ids', () => {
    expect(resolveUser('www:0', accounts, ['audio', '1000', '123']).additionalGids).toEqual([
      0, 29, 1000, 77,
    ]);
    expect(() => resolveUser('', accounts, ['none'])).toThrow('unable to find group none');
  });
});
