import { Option } from 'commander';
import { invalid, parseSize } from '../../../base/index.ts';
import type { MachineDiskRequest, RestartPolicy } from '../../../client/index.ts';
import { parseRestart } from '../../container/limits.ts';
import { parsedListOption, parsedOption, parseWholeNumber } from '../../grammar.ts';

/** What a machine can be given at its creation and later on, as parsed. Sizes are bytes. */
export interface HardwareFlags {
  readonly cpus?: number;
  readonly memory?: number;
  readonly disk: readonly MachineDiskRequest[];
  readonly iso?: string;
  readonly firmware?: 'bios' | 'uefi';
  readonly machine?: 'q35' | 'pc' | 'microvm';
  readonly restart?: RestartPolicy;
  /** Seconds. */
  readonly stopTimeout?: number;
}

/** The options of {@link HardwareFlags}. */
export function hardwareOptions(): Option[] {
  const word = (flags: string, description: string, words: readonly string[]) =>
    new Option(flags, description).choices(words);
  return [
    parsedOption('--cpus <decimal>', 'Number of CPUs (default 1)', parseCpus),
    parsedOption('-m, --memory <bytes>', 'Memory (default 1g)', parseSize),
    parsedListOption('--disk <name:size>', 'A disk; "root" is the first one', parseDisk),
    new Option('--iso <file>', "A medium in its drive, as an installer's"),
    word('--firmware <string>', 'bios or uefi (default bios)', ['bios', 'uefi']),
    word('--machine <string>', 'q35, pc or microvm (default q35)', ['q35', 'pc', 'microvm']),
    parsedOption('--restart <string>', 'Restart policy to apply when it ends', parseRestart),
    parsedOption(
      '--stop-timeout <int>',
      'Seconds from the power button to the end by force (default 60)',
      parseWholeNumber,
    ),
  ];
}

function parseDisk(text: string): MachineDiskRequest {
  const [name = '', size = '', ...more] = text.split(':');
  if (name === '' || size === '' || more.length > 0) throw invalid('it is not of the form NAME:SIZE');
  return { Name: name, Size: parseSize(size) };
}

function parseCpus(text: string): number {
  const cpus = Number(text);
  if (!(cpus > 0)) throw invalid('it is no number of CPUs');
  return cpus;
}
