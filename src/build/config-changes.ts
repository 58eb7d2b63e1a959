import { invalid } from '../base/index.ts';
import type { ImageRuntimeConfig } from '../store/index.ts';
import { absolutePath, configStep } from './config-steps.ts';
import { expand } from './dockerfile/expand.ts';
import { parseInstructions } from './dockerfile/parse.ts';
import { lookupIn, type StageState } from './stage-state.ts';
import { stepKey } from './step-cache.ts';

/**
 * Changes a config by Dockerfile instructions, one or more in each text (`docker commit --change`). Throws `invalid` for
 * what is no instruction, and for instructions that do more than set the config.
 */
export function changeConfig(config: ImageRuntimeConfig, changes: readonly string[]): ImageRuntimeConfig {
  let state: StageState = {
    key: stepKey('change'),
    config,
    author: undefined,
    layers: [],
    history: [],
    args: new Map(),
    ownCmd: false,
  };
  for (const change of changes) {
    const { instructions, escapeCharacter } = parseInstructions('change', change);
    for (const instruction of instructions) {
      switch (instruction.kind) {
        case 'run':
        case 'copy':
        case 'arg':
        case 'shell':
        case 'maintainer':
          throw invalid(`${instruction.text.split(/\s/)[0]} is not a valid change command`);
        case 'workdir': {
          const path = expand(instruction.path, lookupIn(state), escapeCharacter);
          state = { ...state, config: { ...state.config, WorkingDir: folderPath(path, state.config) } };
          break;
        }
        default:
          state = { ...state, ...configStep(state, instruction, escapeCharacter).change };
      }
    }
  }
  return state.config;
}

function folderPath(path: string, config: ImageRuntimeConfig): string {
  return absolutePath(path, config).replace(/(?<=.)\/$/, '');
}
