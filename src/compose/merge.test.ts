import { expect, test } from 'vitest';
import { type Located, parseYaml } from './located-yaml.ts';
import { mergeFiles } from './merge.ts';

/** Both texts are what stands in the service `web`. */
function merged(base: string, over: string): unknown {
  const service = (text: string) => `services:\n  web:\n${text.replaceAll(/^/gm, '    ')}\n`;
  const root = plain(mergeFiles(parseYaml('a.yaml', service(base)), parseYaml('b.yaml', service(over))));
  return (root as { services: { web: unknown } }).services.web;
}

function plain(node: Located): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plain);
    case 'map':
      return Object.fromEntries([...node.entries].map(([name, value]) => [name, plain(value)]));
  }
}

test.each([
  ['scalars are replaced', 'image: a', 'image: b', { image: 'b' }],
  ['what only one file has stays', 'image: a', 'tty: true', { image: 'a', tty: true }],
  ['null changes nothing', 'image: a', 'image:', { image: 'a' }],
  ['lists are appended, the same once', 'ports: ["1:1"]', 'ports: ["1:1", "2:2"]', { ports: ['1:1', '2:2'] }],
  ['commands are replaced', 'command: [a, b]', 'command: c', { command: 'c' }],
  [
    'environment is joined by name',
    'environment: [A=1, B=2]',
    'environment: {B: "3", C: }',
    { environment: { A: '1', B: '3', C: null } },
  ],
  ['labels are joined by name', 'labels: {a: x}', 'labels: [a=y]', { labels: { a: 'y' } }],
  [
    'a short build is its context',
    'build: ./a',
    'build: {target: t}',
    { build: { context: './a', target: 't' } },
  ],
  [
    'depends_on as a list and as a mapping',
    'depends_on: [a]',
    'depends_on: {b: {condition: service_healthy}}',
    { depends_on: { a: null, b: { condition: 'service_healthy' } } },
  ],
  [
    'networks as a list and as a mapping',
    'networks: [a]',
    'networks: {a: {aliases: [x]}}',
    { networks: { a: { aliases: ['x'] } } },
  ],
  ['one text and a list', 'dns: 1.1.1.1', 'dns: [8.8.8.8]', { dns: ['1.1.1.1', '8.8.8.8'] }],
  [
    'logging of the same driver',
    'logging: {driver: d, options: {a: 1}}',
    'logging: {options: {b: 2}}',
    { logging: { driver: 'd', options: { a: 1, b: 2 } } },
  ],
  [
    'logging of another driver',
    'logging: {driver: d, options: {a: 1}}',
    'logging: {driver: e}',
    { logging: { driver: 'e' } },
  ],
  [
    'a health test is replaced',
    'healthcheck: {test: [CMD, a], retries: 1}',
    'healthcheck: {test: [CMD, b]}',
    { healthcheck: { test: ['CMD', 'b'], retries: 1 } },
  ],
])('%s', (_name, base, over, expected) => {
  expect(merged(base, over)).toEqual(expected);
});

test('kinds that do not go together are refused with both files', () => {
  expect(() => merged('ports: ["1:1"]', 'ports: {a: 1}')).toThrow(
    'b.yaml:3:12: services.web.ports: a map cannot override the list of a.yaml',
  );
});
