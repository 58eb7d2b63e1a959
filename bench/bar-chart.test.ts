import { expect, test } from 'vitest';
import { barChart } from './bar-chart.ts';

const widths = (svg: string): number[] =>
  [...svg.matchAll(/<rect x="190"[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));

test('bars are as long as their values, on a scale that begins at 0', () => {
  const bars = [
    { label: 'one', value: 50, text: '50 MB' },
    { label: 'other', value: 200, text: '200 MB' },
    { label: 'hardly any', value: 0.001, text: '0.001 MB' },
  ];
  expect(widths(barChart({ title: 'Memory', subtitle: 'less is better', bars }))).toEqual([90, 360, 2]);
});

test('what was not measured has words and no bar', () => {
  const bars = [{ label: 'machine', value: undefined, text: 'not measured' }];
  const svg = barChart({ title: 'Start', subtitle: 'seconds', bars });
  expect(widths(svg)).toEqual([]);
  expect(svg).toContain('>not measured</text>');
});

test('words are text, whatever they hold', () => {
  const svg = barChart({ title: 'a < b & "c"', subtitle: '', bars: [] });
  expect(svg).toContain('>a &lt; b &amp; &quot;c&quot;</text>');
  expect(svg).toContain('aria-label="a &lt; b &amp; &quot;c&quot;"');
});
