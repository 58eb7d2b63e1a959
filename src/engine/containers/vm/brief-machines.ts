import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import {
  type ContainerId,
  errorMessage,
  isBerthError,
  newContainerId,
  Timeline,
  unavailable,
} from '../../../base/index.ts';
import type { NamespaceHandle } from '../../../network/index.ts';
import type { ExitStatus, Supervisor } from '../../../runtime/index.ts';
import {
  type Allotment,
  type ArchitectureName,
  ComputerControl,
  hostArchitecture,
  MachineControl,
  type MachineControlGroup,
  type MachineNetwork,
  type MachineStart,
  standsStillForRoom,
  type WantedResources,
} from '../../../vm/index.ts';
import type { EngineParts } from '../../parts.ts';
import { startOf } from './guest.ts';

/** What a brief machine is made of before its guest's set-up is known. */
export interface BriefMachinePlan {
  /** Undefined: a new one. */
  readonly id?: ContainerId;
  /** EROFS files, the bottom layer first. */
  readonly layers: readonly string[];
  /** Of the programs that it runs; undefined: the host's. */
  readonly architecture?: ArchitectureName;
  readonly wanted: WantedResources;
  readonly network?: NamespaceHandle | undefined;
  /** Its process has an input, which ends with the client that is attached to it. */
  readonly openStdin: boolean;
}

/** What it is started with. */
export interface BriefMachineBundle {
  /** The disk that it writes to: one that exists at this path already, or a new one in its own folder. */
  readonly disk: { readonly path?: string; readonly size: number };
  readonly network?: MachineNetwork;
  readonly controlGroups?: readonly MachineControlGroup[];
  readonly setup: Uint8Array;
  readonly process: Uint8Array;
}

/** Longer than a guest takes to bring everything to its disk (milliseconds). */
const END_GRACE = 15_000;

/**
 * Virtual machines that are nobody's containers: each does one thing for the engine, and is gone with all that it had. They count
 * among those that run when memory is given out.
 */
export class BriefMachines {
  readonly #parts: EngineParts;
  readonly #others: () => readonly Allotment[];
  readonly #allotments = new Map<ContainerId, Allotment>();

  /** `others` tells what the machines of containers have. */
  constructor(parts: EngineParts, others: () => readonly Allotment[]) {
    this.#parts = parts;
    this.#others = others;
  }

  /** What those that run have. */
  get allotments(): readonly Allotment[] {
    return [...this.#allotments.values()];
  }

  /** Prepares one. Throws as {@link VirtualMachines.allot} does; nothing is left behind then. */
  async open(plan: BriefMachinePlan, signal?: AbortSignal): Promise<BriefMachine> {
    const { launcher, machines, settings } = this.#parts;
    const { id = newContainerId(), architecture = hostArchitecture().name } = plan;
    // Where a later berthd looks for what a killed one has left.
    const directory = `${settings.dataRoot}/build/steps/${id}`;
    const allotment = machines.allot(plan.wanted, [...this.#others(), ...this.allotments]);
    this.#allotments.set(id, allotment);
    const release = async () => {
      await machines.release(id);
      await launcher.removeTree(directory);
      this.#allotments.delete(id);
    };
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const supervisor = await launcher.launch(
        {
          id,
          directory,
          root: { layers: plan.layers, writable: undefined }, // only looked at: a guest writes to its disk
          terminal: false,
          openStdin: plan.openStdin,
          stdinOnce: plan.openStdin,
          network: plan.network,
          ports: [],
          log: { driver: 'none', path: `${directory}/log`, maxSize: 0, maxFiles: 0 },
          shmSize: 0,
          runtime: { ...machines.runtime, root: `${settings.execRoot}/runtime` },
        },
        signal,
      );
      return new BriefMachine(this.#parts, {
        id,
        directory,
        architecture,
        allotment,
        supervisor,
        layers: plan.layers,
        release,
      });
    } catch (error) {
      await release();
      throw error;
    }
  }
}

interface Opened {
  readonly id: ContainerId;
  readonly directory: string;
  readonly architecture: ArchitectureName;
  readonly allotment: Allotment;
  readonly supervisor: Supervisor;
  readonly layers: readonly string[];
  readonly release: () => Promise<void>;
}

/** One of them. However far it has come, it and its folder are gone when it is disposed of. */
export class BriefMachine implements AsyncDisposable {
  readonly id: ContainerId;
  /** Its own, until it is gone. */
  readonly directory: string;
  readonly supervisor: Supervisor;
  readonly control: MachineControl;
  readonly #parts: EngineParts;
  readonly #opened: Opened;
  #planned: MachineStart | undefined;
  #lackedRoom = false;

  constructor(parts: EngineParts, opened: Opened) {
    this.id = opened.id;
    this.directory = opened.directory;
    this.supervisor = opened.supervisor;
    this.control = new MachineControl(`${parts.settings.execRoot}/runtime/${opened.id}`);
    this.#parts = parts;
    this.#opened = opened;
  }

  /** Writes what its supervisor is to run. */
  async prepare(bundle: BriefMachineBundle, signal?: AbortSignal): Promise<void> {
    const { disk, network, controlGroups = [], setup, process } = bundle;
    const { start } = await this.#parts.machines.prepare(
      {
        id: this.id,
        directory: this.directory,
        architecture: this.#opened.architecture,
        allotment: this.#opened.allotment,
        layers: this.#opened.layers,
        writableSize: disk.size,
        ...(disk.path === undefined ? {} : { disk: disk.path }),
        network,
        shares: [],
        shareTransport: '9p',
        controlGroups,
        setup,
        process,
        kernel: undefined,
      },
      new Timeline(),
      signal,
    );
    this.#planned = start;
  }

  /**
   * To be called when it has just started: what came of its template is for the next machine to know. From now on it is ended
   * when the host's disk has no room for what it writes: nobody could let it go on.
   */
  async noteStart(): Promise<void> {
    void this.#endWithoutRoom().catch((error: unknown) => {
      this.#parts.log.error({ id: this.id, error: errorMessage(error) }, 'a machine may stand still');
    });
    if (this.#planned !== undefined) await startOf(this.#parts, this.id, this.#planned);
  }

  /** Throws `unavailable` when it was ended for want of room on the host's disk for `what`. */
  requireRoom(what: string): void {
    if (!this.#lackedRoom) return;
    throw unavailable(`no space left on device: there is no room for ${what}`, {
      hint: 'Free space on the file system of the data root, then try again',
    });
  }

  async #endWithoutRoom(): Promise<void> {
    const { settings, machines } = this.#parts;
    const control = new ComputerControl(`${settings.execRoot}/runtime/${this.id}`, machines.runtime.path);
    for await (const lacksRoom of standsStillForRoom(control)) {
      if (!lacksRoom) continue;
      this.#lackedRoom = true;
      await this.supervisor.signal(constants.signals.SIGKILL).catch(unlessEnded);
    }
  }

  /** Ends its process, so that its guest brings everything to its disk, and tells how it ended; one that does not end is killed. */
  async end(): Promise<ExitStatus> {
    const { supervisor } = this;
    const signal = (number: number) => supervisor.signal(number).catch(unlessEnded);
    const timer = setTimeout(() => void signal(constants.signals.SIGKILL), END_GRACE);
    try {
      await signal(constants.signals.SIGTERM);
      return await supervisor.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { supervisor } = this;
    try {
      if (supervisor.started === undefined) await supervisor.discard().catch(unlessEnded);
      else {
        await supervisor.signal(constants.signals.SIGKILL).catch(unlessEnded);
        await supervisor.exited;
      }
    } finally {
      await this.#opened.release();
    }
  }
}

function unlessEnded(error: unknown): void {
  if (!isBerthError(error, 'conflict') && !isBerthError(error, 'unavailable')) throw error;
}
