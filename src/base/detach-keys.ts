import { invalid } from './errors.ts';

/** The keys that leave a container's terminal without ending it. */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

const CONTROL_KEYS: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** Parses "ctrl-p,ctrl-q" into the bytes that a terminal sends. Throws `invalid` for an unknown key. */
export function parseDetachKeys(text: string): readonly number[] {
  return text.split(',').map((key) => {
    const control = /^ctrl-(.)$/.exec(key)?.[1];
    if (control === undefined) {
      if ([...key].length === 1) return key.charCodeAt(0);
    } else {
      if (/[a-z]/.test(control)) return control.charCodeAt(0) - 96;
      const code = CONTROL_KEYS[control];
      if (code !== undefined) return code;
    }
    throw invalid(`Invalid detach keys (${text}): unknown key "${key}"`, {
      hint: 'Write single characters and ctrl-LETTER, separated by commas',
    });
  });
}

/** Finds the detach keys in what is typed. Keys that may be the start of them are held back until it is clear. */
export class DetachScanner {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What to send on of a piece of input, and whether the keys were complete in it. */
  scan(input: Uint8Array): { send: Buffer; detached: boolean } {
    const send: number[] = [];
    for (const byte of input) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === this.#keys.length) return { send: Buffer.from(send), detached: true };
        continue;
      }
      send.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) send.push(byte);
    }
    return { send: Buffer.from(send), detached: false };
  }
}
