import { expect, test } from 'vitest';
import { changeConfig } from './config-changes.ts';

test('instructions change the config as in a Dockerfile, each on what the ones before made', () => {
  const config = { Env: ['A=1'], Cmd: ['old'], WorkingDir: '/srv' };
  expect(changeConfig(config, ['ENV B=$A C=3', 'WORKDIR app', 'EXPOSE 80', 'CMD ["run", "it"]'])).toEqual({
    Env: ['A=1', 'B=1', 'C=3'],
    WorkingDir: '/srv/app',
    ExposedPorts: { '80/tcp': {} },
    Cmd: ['run', 'it'],
  });
});

test.each([
  ['RUN true', 'RUN is not a valid change command'],
  ['COPY a b', 'COPY is not a valid change command'],
  ['FOO x', 'change:1'],
  ['ENV', 'ENV requires at least one argument'],
])('"%s" is refused', (change, reason) => {
  expect(() => changeConfig({}, [change])).toThrow(reason);
});
