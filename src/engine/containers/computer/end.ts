import type { EndCause } from '../end-cause.ts';

/** What a machine's monitor writes last on its console when the machine did not switch itself off (native/vm/computer.c). */
const PARTING = 'berth: ';
const PARTING_BEGIN = 'the virtual machine has stopped: ';

/**
 * Why a machine ended, from why its monitor did, whose exit code is 0 when the machine was switched off from inside. `log`: its last
 * lines; of a machine without a log nothing more is known.
 */
export function computerEndCause(
  cause: EndCause,
  exitCode: number,
  log: readonly { readonly text: string }[],
): EndCause {
  if (cause.kind !== 'exit') return cause;
  if (exitCode === 0)
    return { kind: 'power-off', ...(cause.after === undefined ? {} : { after: cause.after }) };
  const begin = log.findLastIndex(({ text }) => text.startsWith(PARTING));
  const words = begin < 0 ? [] : log.slice(begin).map(({ text }) => text.trim());
  const why = words.join(' ').trim().slice(PARTING.length);
  return {
    kind: 'machine-failure',
    why: why.startsWith(PARTING_BEGIN) ? why.slice(PARTING_BEGIN.length) : why,
  };
}
