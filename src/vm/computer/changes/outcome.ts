import type { ComputerChanges } from '../contract.ts';

/** What became of one wish: undefined is nothing to do. */
export type Outcome =
  | { readonly kind: 'changed'; readonly what: string }
  | { readonly kind: 'needs-restart'; readonly what: string; readonly why: string };

export function changed(what: string): Outcome {
  return { kind: 'changed', what };
}

export function needsRestart(what: string, why: string): Outcome {
  return { kind: 'needs-restart', what, why };
}

export function sorted(outcomes: readonly Outcome[]): Pick<ComputerChanges, 'changed' | 'needsRestart'> {
  return {
    changed: outcomes.flatMap((outcome) => (outcome.kind === 'changed' ? [outcome.what] : [])),
    needsRestart: outcomes.flatMap((outcome) => {
      return outcome.kind === 'needs-restart' ? [{ what: outcome.what, why: outcome.why }] : [];
    }),
  };
}
