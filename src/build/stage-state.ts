import type { HistoryEntry, Image, ImageRuntimeConfig, Layer } from '../store/index.ts';
import { type StepKey, stepKey } from './step-cache.ts';

/** What a stage has come to after a step. Each step makes a new one. */
export interface StageState {
  readonly key: StepKey;
  readonly config: ImageRuntimeConfig;
  /** Bottom first. */
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
  /** ARGs in scope, by name; undefined: declared without a value. */
  readonly args: ReadonlyMap<string, string | undefined>;
  /** Whether CMD was set in this stage: ENTRYPOINT then leaves it. */
  readonly ownCmd: boolean;
}

/** The state after FROM. */
export function initialState(base: Image | undefined): StageState {
  return {
    key: stepKey('from', base?.id ?? 'scratch'),
    config: base?.config.config ?? {},
    layers: base?.layers ?? [],
    history: base?.config.history ?? [],
    args: new Map(),
    ownCmd: false,
  };
}

/** The state that a further stage finds when it builds on this one: all but the ARGs. */
export function asBase(state: StageState): StageState {
  return { ...state, args: new Map(), ownCmd: false };
}

/** After a step that changed the config only. */
export function withConfig(
  state: StageState,
  createdBy: string,
  config: Partial<ImageRuntimeConfig>,
): StageState {
  return {
    ...state,
    key: stepKey(state.key, 'config', config),
    config: { ...state.config, ...config },
    history: [...state.history, { created_by: createdBy, empty_layer: true }],
  };
}

/** After a step that may have changed files. */
export function withLayer(
  state: StageState,
  key: StepKey,
  createdBy: string,
  layer: Layer | undefined,
): StageState {
  if (layer === undefined) {
    return { ...state, key, history: [...state.history, { created_by: createdBy, empty_layer: true }] };
  }
  return {
    ...state,
    key,
    layers: [...state.layers, layer],
    history: [...state.history, { created_by: createdBy }],
  };
}

/** The variables that expansion sees: the image's environment wins over ARGs (Dockerfile reference, "Scope"). */
export function lookupIn({ config, args }: StageState): (name: string) => string | undefined {
  const env = new Map((config.Env ?? []).map((entry) => splitEnv(entry)));
  return (name) => env.get(name) ?? args.get(name);
}

export function splitEnv(entry: string): [string, string] {
  const at = entry.indexOf('=');
  return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
}

/** The environment of a RUN: ARGs with a value, then the image's own. */
export function runEnvironment({ config, args }: StageState): string[] {
  const env = config.Env ?? [];
  const names = new Set(env.map((entry) => splitEnv(entry)[0]));
  const fromArgs = [...args].flatMap(([name, value]) =>
    value === undefined || names.has(name) ? [] : [`${name}=${value}`],
  );
  return [...fromArgs, ...env];
}
