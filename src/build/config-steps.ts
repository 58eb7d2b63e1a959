import { posix } from 'node:path';
import type { ImageRuntimeConfig } from '../store/index.ts';
import { expand, expandWords } from './dockerfile/expand.ts';
import type { CommandForm, Instruction, Pair } from './dockerfile/instructions.ts';
import { wrong } from './dockerfile/wrong.ts';
import { type ConfigChange, lookupIn, type StageState, splitEnv } from './stage-state.ts';

const DEFAULT_SHELL = ['/bin/sh', '-c'];

export type ConfigInstruction = Exclude<Instruction, { kind: 'run' | 'copy' | 'workdir' | 'arg' }>;

/** What an instruction makes of the config, and how the history tells it. */
export interface ConfigStep {
  readonly createdBy: string;
  readonly change: ConfigChange;
}

/** Works out an instruction that changes the image's config and no file. */
export function configStep(
  state: StageState,
  instruction: ConfigInstruction,
  escapeCharacter: string,
): ConfigStep {
  const { config } = state;
  const lookup = lookupIn(state);
  const text = (value: string) => expand(value, lookup, escapeCharacter);
  const set = (createdBy: string, members: Partial<ImageRuntimeConfig>): ConfigStep => ({
    createdBy,
    change: { config: { ...config, ...members } },
  });
  switch (instruction.kind) {
    case 'env': {
      const pairs = expandPairs(instruction.pairs, text);
      return set(`ENV ${formatPairs(pairs)}`, { Env: setVariables(config.Env ?? [], pairs) });
    }
    case 'label': {
      const pairs = expandPairs(instruction.pairs, text);
      const labels = Object.fromEntries(pairs.map(({ name, value }) => [name, value]));
      return set(`LABEL ${formatPairs(pairs)}`, { Labels: { ...config.Labels, ...labels } });
    }
    case 'user': {
      const user = text(instruction.user);
      return set(`USER ${user}`, { User: user });
    }
    case 'expose': {
      const ports = expandWords(instruction.ports, lookup, escapeCharacter).flatMap((word) =>
        exposedPorts(instruction, word),
      );
      return set(`EXPOSE [${ports.join(' ')}]`, {
        ExposedPorts: { ...config.ExposedPorts, ...emptyMembers(ports) },
      });
    }
    case 'volume': {
      const { paths } = instruction;
      const list =
        paths.form === 'exec' ? paths.args.map(text) : expandWords(paths.text, lookup, escapeCharacter);
      if (list.some((path) => path.trim() === ''))
        throw wrong(instruction, 'VOLUME specified can not be an empty string');
      return set(`VOLUME [${list.join(' ')}]`, { Volumes: { ...config.Volumes, ...emptyMembers(list) } });
    }
    case 'cmd': {
      const Cmd = commandArgs(instruction.command, config);
      return { createdBy: `CMD ${formatList(Cmd)}`, change: { config: { ...config, Cmd }, ownCmd: true } };
    }
    case 'entrypoint': {
      // The base's CMD was meant for the base's ENTRYPOINT.
      const Entrypoint = commandArgs(instruction.command, config);
      const dropped = state.ownCmd || config.Cmd == null ? {} : { Cmd: null };
      return set(`ENTRYPOINT ${formatList(Entrypoint)}`, { Entrypoint, ...dropped });
    }
    case 'healthcheck':
      return set(instruction.text, { Healthcheck: { Test: instruction.test, ...instruction.timing } });
    case 'shell':
      return set(`SHELL [${instruction.args.join(' ')}]`, { Shell: instruction.args });
    case 'stopsignal': {
      const signal = text(instruction.signal);
      return set(`STOPSIGNAL ${signal}`, { StopSignal: signal });
    }
    case 'onbuild':
      return set(`ONBUILD ${instruction.trigger}`, {
        OnBuild: [...(config.OnBuild ?? []), instruction.trigger],
      });
    case 'maintainer':
      return { createdBy: `MAINTAINER ${instruction.name}`, change: { author: instruction.name } };
  }
}

/** The arguments of a command: the exec form as it is, the shell form behind the stage's SHELL. */
export function commandArgs(command: CommandForm, config: ImageRuntimeConfig): readonly string[] {
  return command.form === 'exec' ? command.args : [...(config.Shell ?? DEFAULT_SHELL), command.text];
}

/** A path from an instruction, absolute: relative ones start at the WORKDIR. A slash at its end stays, "." gets one. */
export function absolutePath(path: string, config: ImageRuntimeConfig): string {
  const absolute = posix.resolve('/', config.WorkingDir ?? '/', path);
  const isFolder = /(^|\/)\.?$/.test(path);
  return isFolder && absolute !== '/' ? `${absolute}/` : absolute;
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

/** Go's sets in JSON: a member with an empty object for each. */
function emptyMembers(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
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
    throw wrong(instruction, `invalid containerPort: ${word}`, 'Write a port like 80, 53/udp or 8000-8010');
  }
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
}
