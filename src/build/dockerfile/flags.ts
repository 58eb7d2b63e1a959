import type { Origin } from './instructions.ts';
import { notThereYet, wrong } from './wrong.ts';

/** Flags that Docker knows and berth does not have, by instruction. */
const NOT_THERE_YET: Readonly<Record<string, readonly string[]>> = {
  RUN: ['mount', 'security', 'device'],
  COPY: ['link', 'parents', 'exclude'],
  ADD: ['link', 'exclude', 'checksum', 'keep-git-dir', 'unpack'],
};

/** Takes `--name=value` from the front of an instruction. Those that are not in `known` are refused by name. */
export function takeFlags(origin: Origin, keyword: string, rest: string, known: readonly string[]) {
  const flags = new Map<string, string>();
  let text = rest;
  for (;;) {
    const [whole, name, value] = /^--([A-Za-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(text) ?? [];
    if (whole === undefined || name === undefined) return { flags, text };
    if (NOT_THERE_YET[keyword]?.includes(name)) {
      throw notThereYet(origin, `the flag --${name} of ${keyword} is`, FLAG_HINTS[name]);
    }
    if (!known.includes(name)) {
      const hint =
        known.length === 0
          ? `${keyword} has no flags`
          : `Flags: ${known.map((flag) => `--${flag}`).join(', ')}`;
      throw wrong(origin, `unknown flag of ${keyword}: --${name}`, hint);
    }
    if (value === undefined || value === '')
      throw wrong(origin, `the flag --${name} needs a value`, `Write --${name}=…`);
    flags.set(name, value);
    text = text.slice(whole.length);
  }
}

const FLAG_HINTS: Readonly<Record<string, string>> = {
  mount: 'Without it the step runs too: a cache mount only saves time, a bind mount can be a COPY',
  link: 'Without it the result has the same files',
};
