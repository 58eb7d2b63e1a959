import type { Option } from 'commander';
import { parseDetachKeys } from '../../base/index.ts';
import { parsedOption } from '../grammar.ts';

/** `--detach-keys`, refused at once where it names an unknown key. */
export function detachKeysOption(): Option {
  return parsedOption(
    '--detach-keys <string>',
    'Override the key sequence for detaching a container',
    (text) => {
      parseDetachKeys(text);
      return text;
    },
  );
}
