import type {
  ContainerCreateRequest,
  MachineCreateRequest,
  NetworkCreateRequest,
  VolumeCreateRequest,
} from '../client/index.ts';
import type { ServiceBuild } from './model.ts';

/** What a container is waited for to be. */
export type WaitCondition =
  | 'service_started'
  | 'service_healthy'
  | 'service_completed_successfully'
  | 'running_or_healthy';

/** One thing to do at the engine, with all that it takes: who executes it has nothing to decide. */
export type Action =
  | {
      readonly kind: 'build-image';
      readonly service: string;
      readonly image: string;
      readonly build: ServiceBuild;
      readonly platform: string | undefined;
    }
  | { readonly kind: 'pull-image'; readonly image: string; readonly platform: string | undefined }
  | { readonly kind: 'remove-image'; readonly image: string }
  | { readonly kind: 'create-network'; readonly name: string; readonly request: NetworkCreateRequest }
  | { readonly kind: 'remove-network'; readonly name: string; readonly id: string }
  | { readonly kind: 'create-volume'; readonly name: string; readonly request: VolumeCreateRequest }
  | { readonly kind: 'remove-volume'; readonly name: string }
  | {
      readonly kind: 'create-container';
      readonly name: string;
      readonly request: ContainerCreateRequest;
      readonly platform: string | undefined;
    }
  | {
      readonly kind: 'recreate-container';
      readonly name: string;
      readonly request: ContainerCreateRequest;
      readonly platform: string | undefined;
      /** Removed once the new one is there, which then gets its name. */
      readonly replaces: { readonly id: string; readonly name: string };
      readonly timeout: number | undefined;
    }
  | { readonly kind: 'create-machine'; readonly name: string; readonly request: MachineCreateRequest }
  | { readonly kind: 'keep-container'; readonly name: string }
  | { readonly kind: 'start-container'; readonly name: string }
  | { readonly kind: 'restart-container'; readonly name: string; readonly timeout: number | undefined }
  /** `timeout`: seconds until it is killed; undefined: the container's own. */
  | {
      readonly kind: 'stop-container';
      readonly name: string;
      readonly id: string;
      readonly timeout: number | undefined;
    }
  | { readonly kind: 'kill-container'; readonly name: string; readonly id: string }
  | { readonly kind: 'pause-container'; readonly name: string; readonly id: string }
  | { readonly kind: 'unpause-container'; readonly name: string; readonly id: string }
  | {
      readonly kind: 'remove-container';
      readonly name: string;
      readonly id: string;
      readonly volumes: boolean;
    }
  | {
      readonly kind: 'await-container';
      readonly name: string;
      readonly service: string;
      readonly condition: WaitCondition;
      /** Whether what waits for it must not start without it. */
      readonly required: boolean;
    };

/** An action, why it is done, and what must be done before. */
export interface Step {
  /** Says what is done to what: "create network app_default". */
  readonly id: string;
  readonly action: Action;
  readonly cause: string;
  /** Ids of steps. */
  readonly after: readonly string[];
}

/** Steps in an order that may be followed one by one; those that do not wait for each other may be done side by side. */
export interface Plan {
  readonly steps: readonly Step[];
  /** For the user: what the plan leaves as it is although it looks wrong. */
  readonly warnings: readonly string[];
}

/** A plan as text, a line per step: `id: cause (after a, b)`. */
export function describePlan({ steps, warnings }: Plan): string {
  const lines = steps.map(
    ({ id, cause, after }) => `${id}: ${cause}${after.length === 0 ? '' : ` (after ${after.join(', ')})`}`,
  );
  return [...warnings.map((warning) => `warning: ${warning}`), ...lines].join('\n');
}

/** The part of a plan that makes things, and the part that starts them and waits for them; the second follows the first. */
export function phasesOf({ steps, warnings }: Plan): { creation: Plan; start: Plan } {
  const isStart = ({ action: { kind } }: Step) =>
    ['keep-container', 'start-container', 'restart-container', 'await-container'].includes(kind);
  return {
    creation: { steps: steps.filter((step) => !isStart(step)), warnings },
    start: { steps: steps.filter(isStart), warnings: [] },
  };
}

/** Collects steps; an id that is there already is not added again. */
export class PlanBuilder {
  readonly #steps = new Map<string, Step>();
  readonly #warnings: string[] = [];

  /** Adds a step and returns its id. It waits for those of `after` that the plan has. */
  add(action: Action, cause: string, after: readonly string[] = []): string {
    const id = idOf(action);
    const known = after.filter((step) => this.#steps.has(step));
    if (!this.#steps.has(id)) this.#steps.set(id, { id, action, cause, after: [...new Set(known)] });
    return id;
  }

  warn(text: string): void {
    this.#warnings.push(text);
  }

  done(): Plan {
    return { steps: [...this.#steps.values()], warnings: this.#warnings };
  }
}

/** The id of the step that does it. */
export function idOf(action: Action): string {
  switch (action.kind) {
    case 'build-image':
    case 'pull-image':
    case 'remove-image':
      return `${verbOf(action)} image ${action.image}`;
    case 'create-network':
    case 'remove-network':
      return `${verbOf(action)} network ${action.name}`;
    case 'create-volume':
    case 'remove-volume':
      return `${verbOf(action)} volume ${action.name}`;
    case 'await-container': {
      return `await ${action.condition} of container ${action.name}`;
    }
    default:
      return `${verbOf(action)} container ${action.name}`;
  }
}

function verbOf({ kind }: Action): string {
  return kind.slice(0, kind.indexOf('-'));
}
