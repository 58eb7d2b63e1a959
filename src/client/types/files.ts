/** What is at a path of a container (Engine API, the X-Docker-Container-Path-Stat header). */
export interface PathStat {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Bits of Go's fs.FileMode: 2^31 is a folder, 2^27 a symlink. */
  readonly mode: number;
  readonly mtime: string;
  /** Where a symlink leads in the end, absolute; else "". */
  readonly linkTarget: string;
}

/** A difference from the image (Engine API, FilesystemChange): 0 changed, 1 added, 2 deleted. */
export interface FileChange {
  readonly Path: string;
  readonly Kind: number;
}

/** A container's processes (Engine API, ContainerTopResponse). */
export interface ProcessTable {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[];
}
