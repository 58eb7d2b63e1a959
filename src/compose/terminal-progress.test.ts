import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { plainProgress } from './progress.ts';
import { terminalProgress } from './terminal-progress.ts';

const ESCAPE = '\x1b';
/** An escape (up, to the left, clear, colour), or the characters until the next one. */
const PIECE = new RegExp(`${ESCAPE}\\[(?:(\\d+)A|0G|(0J)|([\\d;]*m))|([^${ESCAPE}]+)`, 'g');

/** A terminal that keeps its picture: knows the escapes that progress uses. */
class Screen {
  readonly columns: number;
  readonly rows: number;
  lines: string[] = [''];

  constructor(columns = 60, rows = 10) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string | Uint8Array): boolean {
    for (const [, up, clear, colour, characters] of String(text).matchAll(PIECE)) {
      if (up !== undefined) this.lines.splice(this.lines.length - 1 - Number(up) + 1);
      if (clear !== undefined) this.lines[this.lines.length - 1] = '';
      if (colour !== undefined || characters === undefined) continue;
      const [first = '', ...rest] = characters.split('\n');
      this.lines.push(`${this.lines.pop() ?? ''}${first}`, ...rest);
    }
    return true;
  }
}

test('things are shown once each, in their last state, with the time they took', () => {
  const screen = new Screen();
  let now = 0;
  const progress = terminalProgress(screen, () => now);
  progress.begin('up');
  progress.report({ subject: 'Network p_default', state: 'working', text: 'Creating' });
  progress.report({ subject: 'Container p-web-1', state: 'working', text: 'Creating' });
  now = 1200;
  progress.report({ subject: 'Network p_default', state: 'done', text: 'Created' });
  progress.end();
  expect(screen.lines).toEqual([
    '[+] up 1/2',
    ' ✔ Network p_default Created                            1.2s',
    ' ⠹ Container p-web-1 Creating                           1.2s',
    '',
  ]);
});

test('text of its own goes above the picture', () => {
  const screen = new Screen();
  const progress = terminalProgress(screen, () => 0);
  progress.begin('build');
  progress.report({ subject: 'Image p-web', state: 'working', text: 'Building' });
  progress.write('Step 1/2 : FROM scratch\n');
  progress.report({ subject: 'Image p-web', state: 'failed', text: 'Error', detail: 'it broke' });
  progress.end();
  expect(screen.lines).toEqual([
    'Step 1/2 : FROM scratch',
    '[+] build 1/1',
    ' ✘ Image p-web Error it broke                           0.0s',
    '',
  ]);
});

test('no line is wider than the terminal, and no picture higher', () => {
  const screen = new Screen(30, 8);
  const progress = terminalProgress(screen, () => 0);
  progress.begin('up');
  for (let number = 1; number <= 20; number += 1) {
    progress.report({ subject: `Container a-very-long-name-${number}`, state: 'done', text: 'Created' });
  }
  progress.end();
  expect(Math.max(...screen.lines.map((line) => line.length))).toBeLessThanOrEqual(30);
  expect(screen.lines.length).toBeLessThanOrEqual(8);
  expect(screen.lines.at(0)).toBe('[+] up 20/20');
});

test('between two blocks events are lines', () => {
  const screen = new Screen();
  const progress = terminalProgress(screen, () => 0);
  progress.report({ subject: 'Container p-web-1', state: 'working', text: 'Stopping' });
  progress.report({ subject: 'Container p-web-1', state: 'done', text: 'Stopped' });
  expect(screen.lines).toEqual(['Container p-web-1 Stopping', 'Container p-web-1 Stopped', '']);
});

test('without a terminal each event is a line, as Docker Compose writes it', () => {
  let written = '';
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString();
      done();
    },
  });
  const progress = plainProgress(out);
  progress.begin('up');
  progress.report({ subject: 'Container p-web-1', state: 'working', text: 'Creating' });
  progress.report({ subject: 'Container p-web-1', state: 'failed', text: 'Error', detail: 'no' });
  progress.end();
  expect(written).toBe(' Container p-web-1 Creating \n Container p-web-1 Error no\n');
});
