import { createInterface } from 'node:readline/promises';
import { BerthError } from '../../base/index.ts';

/** Asks for a line at the terminal. */
export async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await lines.question(question)).trim();
  } finally {
    lines.close();
  }
}

/** As {@link ask}, without showing what is typed. Throws `cancelled` at ctrl-c and ctrl-d. */
export async function askSecret(question: string): Promise<string> {
  process.stdout.write(question);
  process.stdin.setRawMode(true);
  try {
    return await secretLine();
  } finally {
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdout.write('\n');
  }
}

async function secretLine(): Promise<string> {
  let line = '';
  for await (const chunk of process.stdin.iterator({ destroyOnReturn: false })) {
    for (const character of String(chunk)) {
      if (character === '\r' || character === '\n') return line;
      if (character === '\x03' || character === '\x04')
        throw new BerthError('cancelled', 'login was cancelled');
      line = character === '\x7f' || character === '\b' ? line.slice(0, -1) : line + character;
    }
  }
  return line;
}
