/** GET /containers/{id}/stats: the fields that this client reads. Times are nanoseconds, sizes bytes. Most are absent while the container does not run. */
export interface ContainerStats {
  /** With a leading "/". */
  readonly name: string;
  readonly id: string;
  /** "0001-01-01T00:00:00Z" while the container does not run. */
  readonly read: string;
  readonly cpu_stats: CpuStats;
  /** The reading before; its figures are 0 in the first. */
  readonly precpu_stats: CpuStats;
  readonly memory_stats: {
    readonly usage?: number;
    readonly limit?: number;
    /** The kernel's memory.stat. */
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly pids_stats: { readonly current?: number; readonly limit?: number };
  readonly blkio_stats: { readonly io_service_bytes_recursive: readonly BlockIo[] | null };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  /** Of a machine whose system says what it uses of its memory. */
  readonly Berth?: { readonly GuestMemory: GuestMemory };
}

/** Bytes; null: that this system does not say. */
export interface GuestMemory {
  readonly Total: number;
  /** Used for nothing. */
  readonly Free: number;
  /** That programs could get. */
  readonly Available: number | null;
  /** Of files, which are given up when programs want them. */
  readonly Caches: number | null;
}

export interface CpuStats {
  readonly cpu_usage: { readonly total_usage: number; readonly percpu_usage?: readonly number[] };
  /** The host's CPU time, idle time included. */
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

export interface BlockIo {
  readonly major: number;
  readonly minor: number;
  /** "read" or "Read", "write" or "Write", and others. */
  readonly op: string;
  readonly value: number;
}
