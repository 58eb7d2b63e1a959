import type { Readable } from 'node:stream';
import type { Digest } from '../../../base/index.ts';
import type { ComputerDisk } from '../contract.ts';

/** The formats that a machine's disk can begin from. Which one a file has is said, never guessed from what a raw file holds. */
export type DiskFormat = 'qcow2' | 'raw';

/** The sectors that disks are counted in. */
export const SECTOR = 512;

/** No disk is larger: 64 TiB, in bytes. */
export const LARGEST_DISK = 64 * 1024 ** 4;

/** A file that machines' disks stand on: only read, shared by all that were made from it. */
export interface BackingImage {
  /** Its file's name in the store, "HEX.qcow2": what a machine's record keeps of it. */
  readonly name: string;
  /** Of the file as it is stored: after decompression. */
  readonly digest: Digest;
  readonly format: DiskFormat;
  /** Bytes that a disk of it has. */
  readonly virtualSize: number;
  /** Absolute, on the host. */
  readonly path: string;
  /** Where it came from, for people: a path, a URL, or what berth made it of. */
  readonly source: string;
  readonly createdAt: Date;
}

/** A file on this host. Symbolic links are followed; what they lead to must be a regular file. */
export interface FileSource {
  readonly kind: 'file';
  readonly path: string;
  /** Undefined: qcow2 if its first bytes say so, else raw if its name ends in .raw or .img. */
  readonly format: DiskFormat | undefined;
  readonly sha256?: Digest;
}

/** What http and https bring; compressed by gzip, zstd or xz, too. */
export interface UrlSource {
  readonly kind: 'url';
  readonly url: URL;
  /** Of the download, as it comes. */
  readonly sha256: Digest;
  readonly format: DiskFormat | undefined;
}

/** A file that berth has made itself. It is moved, not copied, and not checked. */
export interface BuiltSource {
  readonly kind: 'built';
  readonly path: string;
  readonly format: DiskFormat;
  /** What {@link DiskImages.named} finds it by: "debian:bookworm". A later one takes the name over. */
  readonly name: string;
}

export type ImageSource = FileSource | UrlSource | BuiltSource;

export interface TakeProgress {
  readonly stage: 'downloading' | 'installing' | 'copying' | 'checking';
  /** Bytes; the total where it is known. */
  readonly done: number;
  readonly total: number | undefined;
}

export interface TakeOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TakeProgress) => void;
}

/** An image that no prune removes until this is disposed of: by then a record has to name it. */
export interface TakenImage extends Disposable {
  readonly image: BackingImage;
  /** What a user is to know of it, in whole sentences. */
  readonly warnings: readonly string[];
}

export interface ImageUse {
  readonly image: BackingImage;
  /** Bytes on the disk. */
  readonly size: number;
  readonly used: boolean;
}

/** The backing images of an instance. `used` are the names of those that machines stand on. */
export interface DiskImages {
  /**
   * Takes an image in, or finds that it is there already: an unchanged file and a known sha256 are not read again. Whole or not
   * at all: what a failure or a crash leaves is removed. Throws `not-found`, `invalid` for what is no image, is damaged, or could
   * make a machine read other files of the host, `unavailable` without space, network or qemu-img.
   */
  take(source: ImageSource, options?: TakeOptions): Promise<TakenImage>;
  /** What was built last under a name. */
  named(name: string): Promise<TakenImage | undefined>;
  /** Throws `not-found`. */
  get(name: string): Promise<BackingImage>;
  list(): Promise<readonly BackingImage[]>;
  usage(used: ReadonlySet<string>): Promise<readonly ImageUse[]>;
  /** At a start of berthd, before anything is taken in: removes what an earlier one was killed over. */
  removeUnfinished(): Promise<void>;
  /** Removes what no machine stands on and nobody is about to use; returns the freed bytes. */
  prune(used: ReadonlySet<string>): Promise<number>;
}

/** Fetches what a URL names, with redirects, proxies and retries. */
export type Download = (
  url: URL,
  signal: AbortSignal,
) => Promise<{ readonly body: Readable; readonly size: number | undefined }>;

/** The disks of single machines: qcow2 files that hold what differs from their backing image. */
export interface MachineDisks {
  /**
   * A new disk at a path, whole or not at all. `size`: bytes, at least the backing's (`invalid` otherwise); undefined: the backing's,
   * or 8 GiB if that is more. Throws `conflict` when there is a file.
   */
  create(
    path: string,
    wanted: { readonly size: number | undefined; readonly backing: BackingImage | undefined },
    signal?: AbortSignal,
  ): Promise<{ readonly size: number }>;
  /** Of the disk as its guest sees it, in bytes. */
  size(disk: ComputerDisk): Promise<number>;
  /** Of a stopped machine. Throws `invalid` for less than it has: that would cut off what is at its end. */
  grow(disk: ComputerDisk, size: number, signal?: AbortSignal): Promise<void>;
  /** Bytes of the host's disk that the disk's own file takes. */
  allocated(disk: Pick<ComputerDisk, 'path'>): Promise<number>;
  /** A copy at `path` that stands on nothing, compressed; whole or not at all. Of a stopped machine. */
  flatten(disk: ComputerDisk, path: string, signal?: AbortSignal): Promise<void>;
  /** Nothing happens for one that is not there. */
  remove(disk: Pick<ComputerDisk, 'path'>): Promise<void>;
  /**
   * At a start of berthd: removes what a machine's folder of disks has beside these, which an earlier berthd was killed over before
   * it was recorded. Returns the paths.
   */
  removeOthers(folder: string, kept: readonly Pick<ComputerDisk, 'path'>[]): Promise<readonly string[]>;
}

/** A machine to be written to an archive. It must not run. */
export interface ExportedMachine {
  /** What the engine knows of it, as JSON; the archive keeps it as it is. */
  readonly description: unknown;
  readonly disks: readonly ComputerDisk[];
  /** The file of UEFI's variables, if it has one. */
  readonly variables: string | undefined;
}

/** A machine that came out of an archive and is whole; its files are gone when this is disposed of, unless they were placed. */
export interface ImportedMachine extends AsyncDisposable {
  readonly description: unknown;
  /** In the order of booting. Sizes are those that guests see, in bytes. */
  readonly disks: readonly { readonly name: string; readonly size: number }[];
  readonly hasVariables: boolean;
  /** Moves a disk to where its machine has it. */
  placeDisk(name: string, path: string): Promise<void>;
  placeVariables(path: string): Promise<void>;
}

/** Machines as single files: a tar of a description and of each disk as a compressed qcow2 image that stands on nothing. */
export interface MachineArchives {
  /**
   * Disks are written flat first, to temporary files that are gone when the stream is closed. Snapshots are left out. Throws
   * `unavailable` where there is no room for them.
   */
  export(machine: ExportedMachine, signal?: AbortSignal): Promise<Readable>;
  /**
   * Reads an archive to its end, also one that came from a stranger. Throws `invalid` for one that is cut off, damaged, of a newer
   * format, or holds anything but what its description names; nothing is left then.
   */
  import(archive: Readable, signal?: AbortSignal): Promise<ImportedMachine>;
}
