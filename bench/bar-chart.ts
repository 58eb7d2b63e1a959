/** A bar; undefined: it was not measured. */
export interface Bar {
  readonly label: string;
  readonly value: number | undefined;
  /** What is written at its end. */
  readonly text: string;
}

export interface BarChart {
  readonly title: string;
  /** What the bars say and which end is good: "seconds, less is better". */
  readonly subtitle: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 680;
const LEFT = 190; // where bars begin
const LONGEST = 360;
const TOP = 64;
const ROW = 34;
const THICKNESS = 20;

/** Of the bars, in their order; they can be told apart without colours as well. */
const COLOURS = ['#3b6ea8', '#5b8f5a', '#b5772e', '#7d5ba6', '#8a8a8a'];

/** Horizontal bars on one linear scale that begins at 0, as a picture that needs nothing else. */
export function barChart({ title, subtitle, bars }: BarChart): string {
  const largest = Math.max(...bars.map(({ value = 0 }) => value), Number.MIN_VALUE);
  const height = TOP + bars.length * ROW + 14;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeText(title)}" font-family="system-ui, sans-serif" font-size="14">`,
    `<rect width="${WIDTH}" height="${height}" rx="6" fill="#ffffff"/>`,
    `<text x="20" y="28" font-size="17" font-weight="600" fill="#1f2328">${escapeText(title)}</text>`,
    `<text x="20" y="48" font-size="13" fill="#59636e">${escapeText(subtitle)}</text>`,
    ...bars.flatMap((bar, index) => row(bar, index, largest)),
    '</svg>',
    '',
  ].join('\n');
}

function row({ label, value, text }: Bar, index: number, largest: number): string[] {
  const y = TOP + index * ROW;
  const length = value === undefined ? 0 : Math.max(2, (value / largest) * LONGEST);
  const middle = y + THICKNESS / 2 + 5;
  const bar = `<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${THICKNESS}" rx="2" fill="${COLOURS[index % COLOURS.length]}"/>`;
  return [
    `<text x="${LEFT - 12}" y="${middle}" text-anchor="end" fill="#1f2328">${escapeText(label)}</text>`,
    ...(value === undefined ? [] : [bar]),
    `<text x="${(LEFT + length + 8).toFixed(1)}" y="${middle}" fill="#1f2328">${escapeText(text)}</text>`,
  ];
}

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
