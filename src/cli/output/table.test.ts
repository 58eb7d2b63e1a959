import { expect, test } from 'vitest';
import { alignColumns, formatRows } from './table.ts';

const headers = { ID: 'CONTAINER ID', Names: 'NAMES' };
const rows = [
  { Names: 'web', ID: 'abc', Label: (key: string) => `<${key}>` },
  { Names: 'a-long-name', ID: 'def', Label: () => '' },
];
const defaultFormat = 'table {{.ID}}\\t{{.Names}}';

test('aligns columns as docker does', () => {
  expect(formatRows(rows, { format: undefined, defaultFormat, headers })).toBe(
    'CONTAINER ID   NAMES\nabc            web\ndef            a-long-name\n',
  );
  expect(alignColumns(['A\tB\tC', '1\t2\t3'])).toBe('A         B         C\n1         2         3\n');
});

test('prints the titles alone when there is nothing', () => {
  expect(formatRows([], { format: undefined, defaultFormat, headers })).toBe('CONTAINER ID   NAMES\n');
  expect(formatRows([], { format: '{{.ID}}', defaultFormat, headers })).toBe('');
});

test.each([
  ['{{.Names}}', 'web\na-long-name\n'],
  ['{{.ID}}\\t{{.Names}}', 'abc\tweb\ndef\ta-long-name\n'],
  ['table {{.Names}}', 'NAMES\nweb\na-long-name\n'],
  ['{{.Label "x"}}', '<x>\n\n'],
  ['json', '{"ID":"abc","Names":"web"}\n{"ID":"def","Names":"a-long-name"}\n'],
  ['{{json .}}', '{"ID":"abc","Names":"web"}\n{"ID":"def","Names":"a-long-name"}\n'],
])('prints rows by the format %s', (format, text) => {
  expect(formatRows(rows, { format, defaultFormat, headers })).toBe(text);
});

test('prints one field when quiet, unless a format is given', () => {
  expect(formatRows(rows, { format: undefined, defaultFormat, headers, quietField: 'ID' })).toBe(
    'abc\ndef\n',
  );
  expect(formatRows(rows, { format: '{{.Names}}', defaultFormat, headers, quietField: 'ID' })).toBe(
    'web\na-long-name\n',
  );
});

test('refuses a field that is not there, even without rows', () => {
  expect(() => formatRows([], { format: 'table {{.Nope}}', defaultFormat, headers })).toThrow('"Nope"');
});
