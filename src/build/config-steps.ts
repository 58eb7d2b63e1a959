import { posix } from 'node:path';
import type { ImageRuntimeConfig } from '../store/index.ts';
import { expand, expandWords } from './dockerfile/expand.ts';
import type { CommandForm, Instruction, Pair } from './dockerfile/instructions.ts';
import { wrong } from './dockerfile/parse.ts';
import { lookupIn, type StageState, splitEnv, withConfig } from './stage-state.ts';

const DEFAULT_SHELL = ['/bin/sh', '-c'];

type ConfigInstruction = Exclude<Instruction, { kind: 'run' | 'copy' | 'workdir' | 'arg' }>;

/** Applies an instruction that changes the image's config and no file. */
export function applyConfig(
  state: StageState,
  instruction: ConfigInstruction,
  escapeCharacter: string,
): StageState {
  const lookup = lookupIn(state);
  const text = (value: string) => expand(value, lookup, escapeCharacter);
  switch (instruction.kind) {
    case 'env': {
      const pairs = expandPairs(instruction.pairs, text);
      return withConfig(state, `ENV ${formatPairs(pairs)}`, {
        Env: setVariables(state.config.Env ?? [], pairs),
      });
    }
    case 'label': {
      const pairs = expandPairs(instruction.pairs, text);
      const labels = Object.fromEntries(pairs.map(({ name, value }) => [name, value]));
      return withConfig(state, `LABEL ${formatPairs(pairs)}`, {
        Labels: { ...state.config.Labels, ...labels },
      });
    }
    case 'user': {
      const user = text(instruction.user);
      return withConfig(state, `USER ${user}`, { User: user });
    }
    case 'expose': {
      const ports = expandWords(instruction.ports, lookup, escapeCharacter).flatMap((word) =>
        exposedPorts(instruction, word),
      );
      const added = Object.fromEntries(ports.map((port) => [port, {}]));
      return withConfig(state, `EXPOSE [${ports.join(' ')}]`, {
        ExposedPorts: { ...state.config.ExposedPorts, ...added },
      });
    }
    case 'volume': {
      const { paths } = instruction;
      const list =
        paths.form === 'exec' ? paths.args.map(text) : expandWords(paths.text, lookup, escapeCharacter);
      const added = Object.fromEntries(list.map((path) => [path, {}]));
      return withConfig(state, `VOLUME [${list.join(' ')}]`, {
        Volumes: { ...state.config.Volumes, ...added },
      });
    }
    case 'cmd': {
      const Cmd = commandArgs(instruction.command, state.config);
      return { ...withConfig(state, `CMD ${formatList(Cmd)}`, { Cmd }), ownCmd: true };
    }
    case 'entrypoint': {
      // The base's CMD was meant for the base's ENTRYPOINT.
      const Entrypoint = commandArgs(instruction.command, state.config);
      const dropped = state.ownCmd ? {} : { Cmd: null };
      return withConfig(state, `ENTRYPOINT ${formatList(Entrypoint)}`, { Entrypoint, ...dropped });
    }
    case 'shell':
      return withConfig(state, `SHELL ${formatList(instruction.args)}`, { Shell: instruction.args });
    case 'stopsignal':
      return withConfig(state, `STOPSIGNAL ${instruction.signal}`, { StopSignal: text(instruction.signal) });
    case 'maintainer':
      return withConfig(state, `MAINTAINER ${instruction.name}`, {
        Labels: { ...state.config.Labels, maintainer: instruction.name },
      });
  }
}

/** The arguments of a command: the exec form as it is, the shell form behind the stage's SHELL. */
export function commandArgs(command: CommandForm, config: ImageRuntimeConfig): readonly string[] {
  return command.form === 'exec' ? command.args : [...(config.Shell ?? DEFAULT_SHELL), command.text];
}

/** A path from an instruction, absolute: relative ones start at the WORKDIR. A trailing slash stays. */
export function absolutePath(path: string, config: ImageRuntimeConfig): string {
  return posix.resolve('/', config.WorkingDir ?? '/', path) + (/[^/]\/+$/.test(path) ? '/' : '');
}

/** JSON lists as Docker's history shows them: ["a" "b"]. */
function formatList(list: readonly string[]): string {
  return `[${list.map((item) => JSON.stringify(item)).join(' ')}]`;
}

function formatPairs(pairs: readonly Pair[]): string {
  return pairs.map(({ name, value }) => `${name}=${value}`).join(' ');
}

function expandPairs(pairs: readonly Pair[], text: (value: string) => string): Pair[] {
  return pairs.map(({ name, value }) => ({ name: text(name), value: text(value) }));
}

function setVariables(env: readonly string[], pairs: readonly Pair[]): string[] {
  const variables = new Map(env.map(splitEnv));
  for (const { name, value } of pairs) variables.set(name, value);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** "80", "80/udp" and "8000-8002". */
function exposedPorts(instruction: ConfigInstruction, word: string): string[] {
  const [, first, last = first, protocol = 'tcp'] =
    /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || from < 1 || to > 65535 || to < from) {
    throw wrong(instruction, `invalid containerPort: ${word}`);
  }
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
}
