import type { Readable } from 'node:stream';
import type { BerthError, ContainerId, PortProtocol } from '../base/index.ts';

/** The file systems that a root is joined from. All paths are absolute host paths. */
export interface RootPlan {
  /** EROFS images or, where the kernel has no EROFS, plain folders; the bottom layer first. May be empty. */
  readonly layers: readonly string[];
  /** The writable layer: its upper and work directories, on one file system. Undefined: read-only. */
  readonly writable: { readonly upper: string; readonly work: string } | undefined;
}

/** A host port that the supervisor holds and, for loopback clients of TCP and UDP, forwards. */
export interface PortPlan {
  readonly protocol: PortProtocol;
  /** "0.0.0.0", "::", or one address of the host. */
  readonly hostIp: string;
  /** 0: the kernel chooses. */
  readonly hostPort: number;
  /** The first free port from `hostPort` on, up to this one, is taken; unset: that port and no other. */
  readonly lastHostPort?: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

/** Where a container's output is kept, and where it is sent besides. */
export interface LogPlan {
  /** The format of the files: Docker's json-file, or that of its local driver; none: there are no files. */
  readonly driver: 'json-file' | 'local' | 'none';
  /** The newest log file; older ones are `path.1`, `path.2`, …, compressed ones have `.gz` behind. */
  readonly path: string;
  /** Bytes after which the file is rotated; 0: never. */
  readonly maxSize: number;
  readonly maxFiles: number;
  /** What each message has of the container's labels and variables. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Absolute path of gzip, for the rotated files. */
  readonly compressor?: string;
  readonly send?: LogSendPlan;
}

/** A receiver of log messages, each a datagram. */
export interface LogSendPlan {
  readonly format: 'syslog' | 'journald';
  /** "unix:PATH", "udp:IP:PORT" or "tcp:IP:PORT". */
  readonly address: string;
  /** What each message has: the tag for syslog; for journald fields, each "NAME=value\n". */
  readonly constant: string;
  /** Of syslog(3), 0 to 23. */
  readonly facility: number;
}

/** When the supervisor starts its container again. */
export type RestartPlan =
  | { readonly policy: 'no' | 'always' }
  /** 0 retries: without end. */
  | { readonly policy: 'on-failure'; readonly maximumRetries: number };

/** A network namespace that the launcher keeps; gone when nobody holds it any more. */
export interface NetworkNamespace {
  /** Names it for {@link SupervisorPlan}. */
  readonly handle: number;
  /** A path that iproute2, nsenter and OCI runtimes accept while this handle is open. */
  readonly path: string;
}

/** Runs of a container until some moment. */
export interface PastRuns {
  /** Each was followed by a restart, or will be; the last 32, the oldest first. */
  readonly ends: readonly RunEnd[];
  /** The run after them; undefined where it has not begun. */
  readonly last: StartedProcess | undefined;
}

/** What a supervisor does with one container. */
export interface SupervisorPlan {
  readonly id: ContainerId;
  /** The container's own folder: holds config.json, the exit record and the socket's target. Exists already. */
  readonly directory: string;
  readonly root: RootPlan;
  readonly terminal: boolean;
  /** Keep standard input open until a client closes it; otherwise it is /dev/null. */
  readonly openStdin: boolean;
  /** Close standard input when the first attached client goes (Docker's StdinOnce). */
  readonly stdinOnce: boolean;
  /** Its handle is passed on to the supervisor, which keeps it open; undefined: the host's. */
  readonly network: NetworkNamespace | undefined;
  readonly ports: readonly PortPlan[];
  readonly log: LogPlan;
  /** Undefined: its end is final. */
  readonly restart?: RestartPlan;
  /** Restarts that it had before; default 0. */
  readonly restarts?: number;
  /** Size in bytes of the tmpfs that the supervisor mounts at `<directory>/shm` in its own mount namespace; 0: none. */
  readonly shmSize: number;
  /** Absolute path of the OCI runtime (crun or runc), its global arguments, and its state folder. */
  readonly runtime: { readonly path: string; readonly args: readonly string[]; readonly root: string };
}

/** How a process ended. "unknown" is a real result: the supervisor was killed before it could tell. */
export type ExitStatus =
  | {
      readonly kind: 'exited';
      /** The code, or 128 + the signal's number. */
      readonly code: number;
      readonly oomKilled: boolean;
      readonly finishedAt: Date;
      /** The signal that ended it; undefined: it ended by itself, or nobody could tell. */
      readonly signal?: number;
      /** Of a container: what its memory cgroup said at the end; undefined where nothing was known. */
      readonly memory?: MemoryEnd;
      /** Undefined for a further process, and where the supervisor is of the version before. */
      readonly run: RunFacts | undefined;
      readonly earlier?: EarlierEnds;
    }
  /** The restart that the policy asks for failed. */
  | {
      readonly kind: 'not-restarted';
      readonly reason: BerthError;
      readonly finishedAt: Date;
      readonly run: RunFacts;
      readonly earlier?: EarlierEnds;
    }
  | { readonly kind: 'unknown'; readonly finishedAt: Date };

/** What a supervisor tells of a run beside its end. */
export interface RunFacts {
  readonly startedAt: Date;
  /** Restarts by policy so far, the one that follows included. */
  readonly restarts: number;
}

/** The end of a run that is followed by a restart. */
export type RunEnd = Extract<ExitStatus, { kind: 'exited' }> & { readonly run: RunFacts };

/**
 * Ends before the last one that a restart followed, the last 32, the oldest first: of a container that has ended while
 * nobody was connected to its supervisor.
 */
export type EarlierEnds = readonly RunEnd[];

/** What a supervisor does by its restart policy. */
export type RestartEvent =
  | { readonly kind: 'ended'; readonly end: RunEnd }
  | { readonly kind: 'started'; readonly started: StartedProcess };

/** Sizes in bytes. */
export interface MemoryEnd {
  /** The most that was in use at once; undefined where the kernel does not count it (v2 before Linux 5.19). */
  readonly peak: number | undefined;
  /** Undefined: none of the container's own. */
  readonly limit: number | undefined;
}

export interface StartedProcess {
  /** In the host's pid namespace. */
  readonly pid: number;
  readonly startedAt: Date;
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** One output chunk of an attached process; with a terminal everything is stdout. */
export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/** A client's connection to a running process. Ends when the process has ended and all output was delivered. */
export interface AttachSession extends AsyncDisposable {
  /** Output with back-pressure: a reader that stops reading stops its own delivery. */
  output(): AsyncIterable<OutputChunk>;
  /** Resolves when the bytes are accepted; rejects after the process closed its input. */
  write(data: Uint8Array): Promise<void>;
  /** Half-close: the process sees end of file. */
  closeInput(): Promise<void>;
}

export interface ExecSession extends AttachSession {
  readonly pid: number;
  readonly exited: Promise<ExitStatus>;
  resize(rows: number, columns: number): Promise<void>;
  signal(number: number): Promise<void>;
}

/** A connection failed because nothing listens on the container's port. */
export interface PortRefusal {
  readonly port: PortPlan;
}

/**
 * The process that owns one container; it outlives berthd. States: prepared (root mounted, ports
 * bound) → running → exited; with a restart policy from running to restarting and back. Methods throw `conflict` in the wrong state, `unavailable` when it is gone.
 */
export interface Supervisor {
  readonly id: ContainerId;
  /** The supervisor's own pid. */
  readonly pid: number;
  /** The ports that it holds, with the host ports that were really bound. */
  readonly ports: readonly PortPlan[];
  /** /etc/passwd and /etc/group of the mounted root, empty where missing. */
  readonly accounts: { readonly passwd: string; readonly group: string };
  /** A path under which berthd sees the mounted root: `/proc/<pid>/root/…`. Symlinks inside are not confined: use a {@link FileWorker} to follow them. */
  readonly rootPath: string;
  /** The network namespace as a path that stays valid while the supervisor lives. */
  readonly networkPath: string | undefined;
  /**
   * Creates and starts the container from `<directory>/config.json`. Throws `invalid`, `not-found` or `internal`
   * with the OCI runtime's own words when the process cannot be started, or when the kernel then refuses to execute
   * its program (its interpreter is missing, say); the supervisor has then ended.
   */
  run(signal?: AbortSignal): Promise<StartedProcess>;
  /** Gives up a prepared supervisor that was never run. */
  discard(): Promise<void>;
  attach(options: AttachOptions): Promise<AttachSession>;
  /** `process` is an OCI process object, or what else its runtime takes for one. Throws like {@link run}. */
  exec(
    process: object | Uint8Array,
    options: AttachOptions & { readonly terminal: boolean },
  ): Promise<ExecSession>;
  /** Sends a signal to PID 1. */
  signal(number: number): Promise<void>;
  resize(rows: number, columns: number): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** The run that goes on, or the last one. */
  readonly started: StartedProcess | undefined;
  /** Whether it waits for its next run. */
  readonly isRestarting: boolean;
  /** Restarts by policy until now. */
  readonly restarts: number;
  /** What had happened when this connection was made; what came since, {@link onRestart} tells. */
  readonly past: PastRuns;
  /** One of the protocol's version before knows no restart policy: berthd has to apply it. */
  readonly restartsByItself: boolean;
  /** Binds and serves one more port of a container that runs; resolves to it as it was bound. Throws `conflict` when it is taken. */
  publish(port: PortPlan): Promise<PortPlan>;
  /** Lets go of a port as it was bound. Connections through it go on, new ones are refused; one that it does not hold is fine. */
  withdraw(port: PortPlan): Promise<void>;
  setRestartPolicy(policy: RestartPlan): Promise<void>;
  /** This run is the last; a restart that is waited for does not come. */
  cancelRestart(): Promise<void>;
  /** Calls the one listener for each end that is followed by a restart and for each restart, in order; none is lost. */
  onRestart(listener: (event: RestartEvent) => void): void;
  /** Resolves (never rejects) when PID 1 has ended for good, its output is in the log and the exit record is on disk. */
  readonly exited: Promise<ExitStatus>;
  /** Called for each refused forwarded connection; returns a function that stops it. */
  onPortRefused(listener: (refusal: PortRefusal) => void): () => void;
}

/** Does inside a mounted root what Node cannot: xattrs, devices, RESOLVE_IN_ROOT. Paths are absolute inside that root. */
export interface FileWorker extends AsyncDisposable {
  /** lstat with the link's target; undefined where nothing is. Intermediate symlinks are followed inside the root; `follow` also the last one. */
  stat(path: string, options?: { follow?: boolean }): Promise<FileStat | undefined>;
  /** Creates a folder and its missing parents (mode 0755, uid and gid given). Existing ones stay as they are. */
  makeDirectory(path: string, owner?: { uid: number; gid: number }): Promise<void>;
  /** The content of a small regular file (at most `limit` bytes, default 1 MiB). */
  readFile(path: string, limit?: number): Promise<Buffer>;
  /** The first bytes of a regular file of any size. */
  readHead(path: string, bytes: number): Promise<Buffer>;
  /** The names in a folder, sorted by their bytes; of a huge one only as many as fit into 8 MiB. */
  list(path: string): Promise<readonly string[]>;
  /** Removes a folder or a regular file that is empty; what is not, and what is something else, stays. */
  removeEmpty(path: string): Promise<void>;
  /** A tar (PAX, sorted by name, xattrs as SCHILY.xattr) of what is at `path`; names in it begin with `as` (default: the base name). */
  pack(path: string, options?: { as?: string; signal?: AbortSignal }): Promise<Readable>;
  /**
   * As {@link Launcher.packChanges}, of a folder in the root. In a root that is one layer alone, "/" gives that layer's
   * tar, byte for byte, if `packChanges` made it.
   */
  packChanges(path: string, options?: { signal?: AbortSignal }): Promise<Readable>;
  /** Unpacks a tar below `path`; entries never leave the root. `owner` overrides the tar's uid and gid. */
  unpack(
    path: string,
    tar: NodeJS.ReadableStream,
    options?: { owner?: { uid: number; gid: number }; signal?: AbortSignal },
  ): Promise<void>;
}

export interface FileStat {
  readonly type: 'file' | 'directory' | 'symlink' | 'block' | 'character' | 'fifo' | 'socket';
  readonly size: number;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Date;
  readonly linkTarget: string | undefined;
}

/**
 * The long-lived native process of one berth instance: it mounts layers, keeps network namespaces and
 * forks supervisors. Started when first needed; found again by a later berthd of the same instance.
 */
export interface Launcher extends AsyncDisposable {
  /** Forks a supervisor, which mounts the root and binds the ports. Throws `conflict` when a port is taken. */
  launch(plan: SupervisorPlan, signal?: AbortSignal): Promise<Supervisor>;
  /**
   * Finds the supervisor of a container whose folder this is, after berthd was restarted:
   * alive, or how the container ended, or undefined when it never ran.
   */
  reconnect(id: ContainerId, directory: string): Promise<Supervisor | ExitStatus | undefined>;
  /** Mounts a root in a namespace of its own and serves file operations in it. */
  openFiles(root: RootPlan, signal?: AbortSignal): Promise<FileWorker>;
  /** File operations in the mounted root of a running container, its volumes included unless `mounts` is false. */
  openContainerFiles(supervisor: Supervisor, options?: { readonly mounts: boolean }): Promise<FileWorker>;
  /**
   * The changes in a writable layer as a layer tar: whiteouts and opaque folders in the OCI form, `*.overlay.*`
   * xattrs left out, sorted, deterministic (OCI image-spec, layer.md#representing-changes).
   */
  packChanges(upper: string, signal?: AbortSignal): Promise<Readable>;
  /** The pid of the launcher that runs now, which is asked for it; a new one is started where none does. */
  identify(): Promise<number>;
  /** Ends file workers that a killed berthd had started and not connected to. */
  endAbandonedWorkers(): Promise<void>;
  createNetworkNamespace(): Promise<NetworkNamespace>;
  releaseNetworkNamespace(namespace: NetworkNamespace): Promise<void>;
  /** Forgets a layer image that is about to be deleted; throws `conflict` while a root uses it. */
  unmountLayer(path: string): Promise<void>;
  /** Removes an upper, work or volume folder whatever its owners and modes are. */
  removeTree(path: string): Promise<void>;
  /** Disconnects; the launcher and its supervisors live on. */
  [Symbol.asyncDispose](): Promise<void>;
}
