import {
  asBerthError,
  type BerthError,
  type ContainerId,
  conflict,
  type ExecId,
  invalid,
  newExecId,
  notFound,
} from '../../base/index.ts';
import {
  type ConsoleSize,
  type ExecSession,
  type ExitStatus,
  resolveUser,
  type Supervisor,
} from '../../runtime/index.ts';
import { accountsFor } from './accounts.ts';
import { type ContainerRecord, isMachine } from './container.ts';
import { type ContainerContext, emit, runningOf } from './context.ts';
import { admit } from './operations.ts';
import { execSpec } from './spec.ts';
import { explainCommandFailure, programHost, startExitCode } from './start-failure.ts';
import { openGuestFiles } from './vm/guest.ts';

/** A further process in a container (Engine API, ExecConfig). */
export interface ExecConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly privileged: boolean;
  /** Of its terminal, from its start on. */
  readonly consoleSize?: ConsoleSize | undefined;
  /** A health check of berth's. */
  readonly probe?: boolean;
  /** By which a client leaves the terminal. */
  readonly detachKeys: readonly number[];
  /** Whether they were given, and are not Docker's own. */
  readonly hasDetachKeys: boolean;
}

export type ExecState =
  | { readonly status: 'created' }
  | { readonly status: 'running'; readonly session: ExecSession }
  | { readonly status: 'exited'; readonly exitCode: number; readonly pid: number };

export interface Exec {
  readonly id: ExecId;
  readonly containerId: ContainerId;
  readonly config: ExecConfig;
  readonly state: ExecState;
}

/** The exec sessions of the instance. They live in memory only: after a restart of berthd their ids are gone, as in Docker. */
export class Execs {
  readonly #context: ContainerContext;
  readonly #byId = new Map<ExecId, Exec>();

  constructor(context: ContainerContext) {
    this.#context = context;
    context.events.listen((event) => {
      if (event.type === 'container' && event.action === 'destroy')
        this.#forgetAll(event.actor as ContainerId);
    });
  }

  /** Throws `invalid` for no command and for an unknown user: Docker's CLI takes what follows for a stream, and shows no reason. */
  async create(reference: string, config: ExecConfig): Promise<ExecId> {
    await this.#requireUser(reference, config);
    const record = this.#context.collection.findContainer(reference);
    admit(record, 'exec');
    if (config.args.length === 0) throw invalid('no exec command specified');
    void this.#context.parts.gracePeriod.begin(); // it is started at once
    const id = newExecId();
    this.#byId.set(id, { id, containerId: record.id, config, state: { status: 'created' } });
    emit(this.#context, record, `exec_create: ${inWords(config)}`, { execID: id });
    return id;
  }

  async #requireUser(reference: string, { user }: ExecConfig): Promise<void> {
    if (/^(\d+(:\d+)?)?$/.test(user)) return; // is there without an account
    const record = this.#context.collection.findContainer(reference);
    admit(record, 'exec');
    const { supervisor } = runningOf(this.#context, record);
    resolveUser(user, await accountsFor(this.#context, record, supervisor, user), []);
  }

  /** Runs it; the session ends with the process. Throws as {@link prepare} and what it returns do. */
  async start(reference: string): Promise<ExecSession> {
    const run = await this.prepare(reference);
    return run();
  }

  /**
   * Checks whether it can be run, and returns what runs it. Throws what is known before there is a process: what the
   * container cannot give, an unknown user say. What it returns throws as a container's start does; the exec has then ended.
   * `consoleSize` goes before the one that it was created with.
   */
  async prepare(reference: string, consoleSize?: ConsoleSize): Promise<() => Promise<ExecSession>> {
    const exec = this.get(reference);
    if (exec.state.status !== 'created') throw conflict(`exec command ${exec.id} has already run`);
    const record = this.#context.collection.find(exec.containerId);
    admit(record, 'exec');
    const { supervisor } = runningOf(this.#context, record);
    void this.#context.parts.gracePeriod.begin();
    const accounts = await accountsFor(this.#context, record, supervisor, userOf(record, exec.config));
    const config = consoleSize === undefined ? exec.config : { ...exec.config, consoleSize };
    const spec = execSpec(this.#context, record, config, accounts);
    return () => this.#start(exec, record, supervisor, spec);
  }

  async #start(
    exec: Exec,
    record: ContainerRecord,
    supervisor: Supervisor,
    spec: ReturnType<typeof execSpec>,
  ): Promise<ExecSession> {
    const { config } = exec;
    const session = await this.#run(exec, record, supervisor, spec);
    this.#byId.set(exec.id, { ...exec, state: { status: 'running', session } });
    emit(this.#context, record, `exec_start: ${inWords(config)}`, { execID: exec.id });
    void session.exited.then((status) => this.#ended(exec, session.pid, status));
    return session;
  }

  async #run(
    exec: Exec,
    record: ContainerRecord,
    supervisor: Supervisor,
    spec: ReturnType<typeof execSpec>,
  ): Promise<ExecSession> {
    const { config } = exec;
    try {
      return await supervisor.exec(spec, {
        stdin: config.attachStdin,
        stdout: config.attachStdout,
        stderr: config.attachStderr,
        terminal: config.tty,
      });
    } catch (error) {
      const reason = await this.#explain(asBerthError(error), record, config, supervisor);
      const state = { status: 'exited', exitCode: startExitCode(reason), pid: 0 } as const;
      this.#byId.set(exec.id, { ...exec, state });
      throw reason;
    }
  }

  async #explain(
    error: BerthError,
    record: ContainerRecord,
    config: ExecConfig,
    supervisor: Supervisor,
  ): Promise<BerthError> {
    const { launcher, log } = this.#context.parts;
    const query = {
      program: config.args[0] ?? '',
      env: [...record.config.env, ...config.env],
      workingDir: config.workingDir === '' ? record.config.workingDir : config.workingDir,
      user: userOf(record, config),
      on: await programHost(this.#context, record),
    };
    return explainCommandFailure(error, query, log, async () => ({
      worker: isMachine(record)
        ? await openGuestFiles(this.#context, record)
        : await launcher.openContainerFiles(supervisor),
      mounts: [],
    }));
  }

  get(reference: string): Exec {
    const exec = this.#byId.get(reference as ExecId);
    if (exec === undefined) throw notFound(`No such exec instance: ${reference}`);
    return exec;
  }

  ofContainer(id: ContainerId): Exec[] {
    return [...this.#byId.values()].filter(
      ({ containerId, state }) => containerId === id && state.status === 'running',
    );
  }

  /** A client has left its terminal by the detach keys; the process goes on. */
  noteDetached(reference: string): void {
    const { id, containerId } = this.get(reference);
    emit(this.#context, this.#context.collection.find(containerId), 'exec_detach', { execID: id });
  }

  /** Drops an exec that nobody will ask for again. */
  forget(id: ExecId): void {
    this.#byId.delete(id);
  }

  async resize(reference: string, rows: number, columns: number): Promise<void> {
    const { id, config, state } = this.get(reference);
    if (state.status !== 'running') throw conflict(`exec session ${id} is not running`);
    // As for a container: without a terminal there is nothing to size.
    if (config.tty) await state.session.resize(rows, columns);
  }

  #ended(exec: Exec, pid: number, status: ExitStatus): void {
    const exitCode = status.kind === 'exited' ? status.code : 255;
    this.#byId.set(exec.id, { ...exec, state: { status: 'exited', exitCode, pid } });
    const record = this.#context.collection.get(exec.containerId);
    if (record === undefined) return;
    emit(this.#context, record, 'exec_die', { execID: exec.id, exitCode: String(exitCode) });
  }

  #forgetAll(containerId: ContainerId): void {
    for (const exec of this.#byId.values()) if (exec.containerId === containerId) this.#byId.delete(exec.id);
  }
}

/** Whoever it is to run as: the container's user unless it names another one. */
function userOf({ config }: ContainerRecord, { user }: Pick<ExecConfig, 'user'>): string {
  return user === '' ? config.user : user;
}

/** As Docker's events have it: with a blank behind a command without arguments. */
function inWords({ args }: ExecConfig): string {
  return `${args[0]} ${args.slice(1).join(' ')}`;
}
