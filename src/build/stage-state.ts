import type { HistoryEntry, Image, ImageRuntimeConfig, Layer } from '../store/index.ts';
import { type StepKey, type StepResult, stepKey } from './step-cache.ts';

/** What a stage has come to after a step. Each step makes a new one. */
export interface StageState {
  readonly key: StepKey;
  readonly config: ImageRuntimeConfig;
  readonly author: string | undefined;
  /** Bottom first. */
  readonly layers: readonly Layer[];
  readonly history: readonly HistoryEntry[];
  /** ARGs in scope, by name; undefined: declared without a value. */
  readonly args: ReadonlyMap<string, string | undefined>;
  /** Whether CMD was set in this stage: ENTRYPOINT then leaves it. */
  readonly ownCmd: boolean;
}

/** What an image has that begins with nothing, as in Docker. */
const SCRATCH_CONFIG: ImageRuntimeConfig = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  WorkingDir: '/',
};

/** The state after FROM. */
export function initialState(base: Image | undefined): StageState {
  return {
    key: stepKey('from', base?.id ?? 'scratch'),
    config: base === undefined ? SCRATCH_CONFIG : (base.config.config ?? {}),
    author: base?.config.author,
    layers: base?.layers ?? [],
    history: base?.config.history ?? [],
    args: new Map(),
    ownCmd: false,
  };
}

/** The state that a further stage finds when it builds on this one; ARGs are inherited (Dockerfile reference, "Scope"). */
export function asBase(state: StageState): StageState {
  return { ...state, ownCmd: false };
}

/** What a step changes beside files. */
export type ConfigChange = Partial<Pick<StageState, 'config' | 'author' | 'args' | 'ownCmd'>>;

/** After a step that changed no file. */
export function withConfig(
  state: StageState,
  key: StepKey,
  entry: { createdBy: string; created: string },
  change: ConfigChange,
): StageState {
  const history = [
    ...state.history,
    {
      created: entry.created,
      created_by: entry.createdBy,
      comment: HISTORY_COMMENT,
      empty_layer: true,
    },
  ];
  return { ...state, ...change, key, history };
}

/** After a step that may have changed files. */
export function withLayer(
  state: StageState,
  key: StepKey,
  createdBy: string,
  { layer, created }: StepResult,
): StageState {
  const entry = { created, created_by: createdBy, comment: HISTORY_COMMENT };
  if (layer === undefined)
    return { ...state, key, history: [...state.history, { ...entry, empty_layer: true }] };
  return { ...state, key, layers: [...state.layers, layer], history: [...state.history, entry] };
}

/** Tells tools how to read `created_by`. */
const HISTORY_COMMENT = 'buildkit.dockerfile.v0';

/** The variables that expansion sees: the image's environment wins over ARGs (Dockerfile reference, "Scope"). */
export function lookupIn({ config, args }: StageState): (name: string) => string | undefined {
  const env = new Map((config.Env ?? []).map((entry) => splitEnv(entry)));
  return (name) => env.get(name) ?? args.get(name);
}

export function splitEnv(entry: string): [string, string] {
  const at = entry.indexOf('=');
  return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
}

/** ARGs that a RUN sees: those with a value that no ENV hides. */
export function visibleArgs({ config, args }: StageState): string[] {
  const names = new Set((config.Env ?? []).map((entry) => splitEnv(entry)[0]));
  return [...args].flatMap(([name, value]) =>
    value === undefined || names.has(name) ? [] : [`${name}=${value}`],
  );
}
