import { expect, it } from 'vitest';
import { archivesIn, sourcesOf } from './package-sources.ts';
import { debianRelease } from './releases.ts';

it("packages come from the archives that the host's own come from", () => {
  const archives = archivesIn(
    [
      'https://example.org/other stable Other Packages',
      'http://mirror.example.org/debian/ Debian Debian',
      'http://mirror.example.org/backports/ Debian Backports',
      'http://mirror.example.org/security/ Debian Debian-Security',
    ].join('\n'),
  );
  expect(archives).toEqual({
    main: 'http://mirror.example.org/debian/',
    security: 'http://mirror.example.org/security/',
  });
});

it("and from Debian's own where the host has none, or is another system", () => {
  const text = 'http://archive.ubuntu.com/ubuntu/ Ubuntu Ubuntu\n';
  expect(archivesIn(text)).toEqual(archivesIn(''));
  expect(archivesIn(text).main).toBe('http://deb.debian.org/debian');
});

it('a stable release has its updates and those for security; sid has none', () => {
  const archives = { main: 'http://m/debian', security: 'http://m/security' };
  expect(sourcesOf(debianRelease('12'), archives)).toBe(
    'deb http://m/debian bookworm main\ndeb http://m/debian bookworm-updates main\ndeb http://m/security bookworm-security main\n',
  );
  expect(sourcesOf(debianRelease('sid'), archives)).toBe('deb http://m/debian sid main\n');
});
