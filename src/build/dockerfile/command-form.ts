import type { CommandForm, Origin } from './instructions.ts';
import { wrong } from './wrong.ts';

/** A JSON list of strings is the exec form; everything else, broken JSON too, is the shell form (as in Docker). */
export function commandForm(origin: Origin, text: string): CommandForm {
  const list = text.startsWith('[') ? parseList(text) : undefined;
  if (list === undefined) return { form: 'shell', text };
  if (list.every((item) => typeof item === 'string')) return { form: 'exec', args: list };
  throw wrong(origin, 'a list in JSON form must have strings only');
}

function parseList(text: string): unknown[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list : undefined;
  } catch {
    return undefined;
  }
}
