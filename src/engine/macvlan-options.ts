import { invalid, notImplemented } from '../base/index.ts';
import type { MacvlanMode, NewMacvlan } from '../network/index.ts';

const MODES: readonly MacvlanMode[] = ['bridge', 'private', 'vepa', 'passthru'];

/** The options of a network of the macvlan driver. Throws `invalid` for wrong values, `not-implemented` for what is not there. */
export function macvlanOptions(
  options: Readonly<Record<string, string>>,
): Pick<NewMacvlan, 'parent' | 'mode'> {
  const { parent = '', macvlan_mode: mode = 'bridge', ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw notImplemented(`the network option "${unknown}" is not there yet`);
  const known = MODES.find((candidate) => candidate === mode);
  if (known === undefined) {
    throw invalid(
      `requested macvlan mode '${mode}' is not valid, 'bridge' mode is the macvlan driver default. Known: ${MODES.join(', ')}`,
    );
  }
  return parent === '' ? { mode: known } : { parent, mode: known };
}
