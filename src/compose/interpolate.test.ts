import { expect, test } from 'vitest';
import { interpolate, interpolateTree } from './interpolate.ts';
import { asMap, asText, parseYaml } from './located-yaml.ts';

const VARIABLES: Record<string, string> = { NAME: 'value', EMPTY: '', OTHER: 'other' };

function replaced(text: string): string {
  return interpolate(
    text,
    (name) => VARIABLES[name],
    () => {},
  );
}

test.each([
  ['plain text', 'plain text'],
  ['$NAME and ${NAME}', 'value and value'],
  ['a$NAME.b', 'avalue.b'],
  ['$$NAME costs $$5', '$NAME costs $5'],
  ['$${NAME}', '${NAME}'],
  ['${MISSING:-default}', 'default'],
  ['${MISSING-default}', 'default'],
  ['${EMPTY:-default}', 'default'],
  ['${EMPTY-default}', ''],
  ['${NAME:-default}', 'value'],
  ['${NAME:+set}', 'set'],
  ['${EMPTY:+set}', ''],
  ['${EMPTY+set}', 'set'],
  ['${MISSING+set}', ''],
  ['${NAME:?must be set}', 'value'],
  ['${EMPTY?may be empty}', ''],
  ['${MISSING:-${OTHER}}', 'other'],
  ['${MISSING:-${ALSO_MISSING:-deep}}', 'deep'],
  ['${MISSING:-http://host:80/?a=b}', 'http://host:80/?a=b'],
  ['${MISSING}', ''],
])('%s becomes "%s"', (text, expected) => {
  expect(replaced(text)).toBe(expected);
});

test.each([
  ['${MISSING:?say which port}', 'required variable MISSING is missing a value: say which port'],
  ['${EMPTY:?say which port}', 'required variable EMPTY is missing a value: say which port'],
  ['${MISSING?}', 'required variable MISSING is missing a value'],
  ['${not closed', 'invalid interpolation format: "${not closed": a "}" is missing'],
  ['${9}', 'invalid interpolation format: "${9}"'],
  ['costs 5$', 'invalid interpolation format: "costs 5$". You may need to escape any $ with another $'],
])('%s is refused', (text, message) => {
  expect(() => replaced(text)).toThrow(message);
});

test('a variable that is not set is reported once per use', () => {
  const unset: string[] = [];
  interpolate(
    '$A ${B} ${C:-c} $NAME',
    (name) => VARIABLES[name],
    (name) => unset.push(name),
  );
  expect(unset).toEqual(['A', 'B']);
});

test('values are replaced, keys are not', () => {
  const tree = parseYaml('compose.yaml', 'services:\n  $NAME:\n    image: $NAME:1\n    ports: ["$OTHER"]\n');
  const { entries } = asMap(
    interpolateTree(
      tree,
      (name) => VARIABLES[name],
      () => {},
    ),
  );
  const [[service, node] = []] = asMap(entries.get('services') ?? tree).entries;
  expect(service).toBe('$NAME');
  expect(asText(asMap(node ?? tree).entries.get('image') ?? tree)).toBe('value:1');
});

test('a wrong variable says where it stands', () => {
  const tree = parseYaml('compose.yaml', 'services:\n  web:\n    image: ${IMAGE:?no image}\n');
  expect(() =>
    interpolateTree(
      tree,
      () => undefined,
      () => {},
    ),
  ).toThrow('compose.yaml:3:12: services.web.image: required variable IMAGE is missing a value: no image');
});
