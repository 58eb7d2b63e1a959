import { conflict, internal } from '../../base/index.ts';
import {
  type ActiveState,
  type ContainerRecord,
  type ContainerState,
  goingOnHint,
  isActive,
  standstillReason,
} from './container.ts';

/** The states of a container, in the order of its life. */
export const STATES = ['created', 'running', 'paused', 'restarting', 'exited'] as const;

export type StateName = ContainerState['status'];

/** What an operation does to a container in one state. */
export type Effect =
  | {
      readonly kind: 'done';
      /** The container's events, in order; "kill 9" is one with its signal. */
      readonly events: readonly string[];
      /** The state afterwards. */
      readonly after: StateName | 'gone';
    }
  /** There is nothing to do, which is no error (304). */
  | { readonly kind: 'nothing' }
  /** A conflict (409), in Docker's words; {id}, {name} and {reference} stand for the container. */
  | { readonly kind: 'refused'; readonly words: string };

export interface Operation {
  /** As a request of the Engine API. */
  readonly request: string;
  readonly effects: Readonly<Record<StateName, Effect>>;
}

const nothing: Effect = { kind: 'nothing' };
const refused = (words: string): Effect => ({ kind: 'refused', words });
const done = (after: StateName | 'gone', ...events: string[]): Effect => ({ kind: 'done', after, events });

const NOT_RUNNING = refused('container {id} is not running');
const WAIT = refused('Container {id} is restarting, wait until the container is running');
const NOT_PAUSED = refused('Container {id} is not paused');

/** Possible in every state, which it leaves as it is. */
function inEveryState(request: string, ...events: string[]): Operation {
  return {
    request,
    effects: {
      created: done('created', ...events),
      running: done('running', ...events),
      paused: done('paused', ...events),
      restarting: done('restarting', ...events),
      exited: done('exited', ...events),
    },
  };
}

/** Needs a process, which may stand still. */
function whileAlive(request: string, ...events: string[]): Operation {
  return {
    request,
    effects: {
      created: NOT_RUNNING,
      running: done('running', ...events),
      paused: done('paused', ...events),
      restarting: WAIT,
      exited: NOT_RUNNING,
    },
  };
}

/**
 * What every operation does in every state. The engine asks this table before it refuses anything, the documentation
 * shows it, and a test tries each cell on a real container. Asked the same, dockerd 29 answers the same, but for: unpause of
 * what is not paused, an internal error there (500); resize, network connect and network disconnect of a container that is
 * restarting, which fail there in the words of its parts (404 and 500); an event "unpause" when a paused one is stopped.
 */
export const OPERATIONS = {
  start: {
    request: 'POST /containers/{id}/start',
    effects: {
      created: done('running', 'start'),
      running: nothing,
      paused: refused('cannot start a paused container, try unpause instead'),
      restarting: nothing,
      exited: done('running', 'start'),
    },
  },
  stop: {
    request: 'POST /containers/{id}/stop?t=0',
    effects: {
      created: nothing,
      running: done('exited', 'kill 15', 'kill 9', 'die', 'stop'),
      paused: done('exited', 'kill 15', 'kill 9', 'die', 'stop'),
      restarting: done('exited', 'stop'),
      exited: nothing,
    },
  },
  kill: {
    request: 'POST /containers/{id}/kill',
    effects: {
      created: refused('cannot kill container: {reference}: container {id} is not running'),
      running: done('exited', 'kill 9', 'die'),
      paused: done('exited', 'kill 9', 'die'),
      restarting: done('exited'),
      exited: refused('cannot kill container: {reference}: container {id} is not running'),
    },
  },
  'kill --signal': {
    request: 'POST /containers/{id}/kill?signal=WINCH',
    effects: {
      created: refused('cannot kill container: {reference}: container {id} is not running'),
      running: done('running', 'kill 28'),
      paused: done('running', 'kill 28', 'unpause'),
      restarting: done('exited'),
      exited: refused('cannot kill container: {reference}: container {id} is not running'),
    },
  },
  pause: {
    request: 'POST /containers/{id}/pause',
    effects: {
      created: NOT_RUNNING,
      running: done('paused', 'pause'),
      paused: refused('container {id} is already paused'),
      restarting: WAIT,
      exited: NOT_RUNNING,
    },
  },
  unpause: {
    request: 'POST /containers/{id}/unpause',
    effects: {
      created: NOT_PAUSED,
      running: NOT_PAUSED,
      paused: done('running', 'unpause'),
      restarting: NOT_PAUSED,
      exited: NOT_PAUSED,
    },
  },
  restart: {
    request: 'POST /containers/{id}/restart?t=0',
    effects: {
      created: done('running', 'start', 'restart'),
      running: done('running', 'kill 15', 'kill 9', 'die', 'stop', 'start', 'restart'),
      paused: done('running', 'kill 15', 'kill 9', 'die', 'stop', 'start', 'restart'),
      restarting: done('running', 'stop', 'start', 'restart'),
      exited: done('running', 'start', 'restart'),
    },
  },
  rm: {
    request: 'DELETE /containers/{id}',
    effects: {
      created: done('gone', 'destroy'),
      running: refused(
        'cannot remove container "{name}": container is running: stop the container before removing or force remove',
      ),
      paused: refused('cannot remove container "{name}": container is paused and must be unpaused first'),
      restarting: refused(
        'cannot remove container "{name}": container is restarting: stop the container before removing or force remove',
      ),
      exited: done('gone', 'destroy'),
    },
  },
  'rm --force': {
    request: 'DELETE /containers/{id}?force=1',
    effects: {
      created: done('gone', 'destroy'),
      running: done('gone', 'kill 9', 'die', 'destroy'),
      paused: done('gone', 'kill 9', 'die', 'destroy'),
      restarting: done('gone', 'destroy'),
      exited: done('gone', 'destroy'),
    },
  },
  exec: {
    request: 'POST /containers/{id}/exec',
    effects: {
      created: NOT_RUNNING,
      running: done('running', 'exec_create: true '),
      paused: refused('Container {name} is paused, unpause the container before exec'),
      restarting: WAIT,
      exited: NOT_RUNNING,
    },
  },
  attach: {
    request: 'POST /containers/{id}/attach?stream=1&stdout=1',
    effects: {
      created: done('created', 'attach'),
      running: done('running', 'attach'),
      paused: refused('container {name} is paused, unpause the container before attach'),
      restarting: refused('container {name} is restarting, wait until the container is running'),
      exited: done('exited', 'attach'),
    },
  },
  wait: inEveryState('POST /containers/{id}/wait'),
  resize: whileAlive('POST /containers/{id}/resize?h=10&w=20', 'resize'),
  top: whileAlive('GET /containers/{id}/top', 'top'),
  stats: inEveryState('GET /containers/{id}/stats?stream=0&one-shot=1'),
  logs: inEveryState('GET /containers/{id}/logs?stdout=1'),
  inspect: inEveryState('GET /containers/{id}/json'),
  rename: inEveryState('POST /containers/{id}/rename?name={name}-renamed', 'rename'),
  update: inEveryState('POST /containers/{id}/update', 'update'),
  'network connect': inEveryState('POST /networks/{network}/connect'),
  'network disconnect': inEveryState('POST /networks/{own network}/disconnect'),
  'cp from': inEveryState('GET /containers/{id}/archive?path=/etc/passwd', 'archive-path'),
  'cp to': inEveryState('PUT /containers/{id}/archive?path=/tmp', 'extract-to-dir'),
  diff: inEveryState('GET /containers/{id}/changes'),
  export: inEveryState('GET /containers/{id}/export', 'export'),
  commit: {
    request: 'POST /commit?container={id}',
    effects: {
      ...inEveryState('', 'commit').effects,
      running: done('running', 'pause', 'commit', 'unpause'),
    },
  },
} satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof OPERATIONS;

/**
 * Whether an operation has something to do on a container in its state. Throws `conflict` when the state forbids it.
 * `reference` is what the client called the container by.
 */
export function admit(
  record: ContainerRecord,
  operation: OperationName,
  reference: string = record.id,
): boolean {
  const effect: Effect = OPERATIONS[operation].effects[record.state.status];
  if (effect.kind !== 'refused') return effect.kind === 'done';
  const { id, name } = record;
  const values: Readonly<Record<string, string>> = { id, name, reference };
  const words = effect.words.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole);
  throw conflict(words, standstillReason(record.state) === undefined ? {} : { hint: goingOnHint(record) });
}

/** As {@link admit}, of an operation that is for containers with a process: their state. */
export function admitActive(record: ContainerRecord, operation: OperationName): ActiveState {
  admit(record, operation);
  if (isActive(record.state)) return record.state;
  throw internal(`the table of operations has ${operation} for a container that is ${record.state.status}`);
}
