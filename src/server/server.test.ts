import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BerthError } from '../base/index.ts';
import { httpError } from './http-errors.ts';

it('maps each kind of error to a status, and tells the way out with the message', () => {
  expect(httpError(new BerthError('not-found', 'no such thing', { hint: 'Look elsewhere' }))).toMatchObject({
    status: 404,
    body: { message: 'no such thing. Look elsewhere' },
  });
  expect(httpError(new Error('surprise')).status).toBe(500);
  expect(httpError(Object.assign(new Error('write'), { code: 'ENOSPC' })).status).toBe(503);
});

it('documents no endpoint as missing that another file serves', () => {
  const missing = readFileSync(`${import.meta.dirname}/routes/missing.ts`, 'utf8');
  const served = readFileSync(`${import.meta.dirname}/routes/containers.ts`, 'utf8');
  for (const [, path] of missing.matchAll(/'GET (\/containers\/:name\/\w+)'/g))
    expect(served).not.toContain(path);
});
