import type { Lookup } from './dockerfile/expand.ts';

/**
 * An instruction as its step is called: variables that are set are replaced, and nothing else, neither in single quotes nor behind
 * an escape. What is more than a name in braces stays: a shell means something else by it.
 */
export function shownText(text: string, lookup: Lookup): string {
  return text.replace(
    /'[^']*'|\\.|\$(?:(\w+)|\{(\w+)\})/gs,
    (all: string, bare: string | undefined, braced: string | undefined) => {
      const name = bare ?? braced;
      return name === undefined ? all : (lookup(name) ?? all);
    },
  );
}
