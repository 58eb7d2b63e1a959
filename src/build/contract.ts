import type { Readable } from 'node:stream';
import type { Digest, Reference } from '../base/index.ts';
import type { Credentials } from '../registry/contract.ts';
import type { FileWorker, RootPlan } from '../runtime/contract.ts';
import type { Image, ImageRuntimeConfig } from '../store/contract.ts';
import type { ContextEntry } from './context-entry.ts';

/** What a build was asked for, parsed. */
export interface BuildRequest {
  /** The context as a plain tar, or folders of the client's. */
  readonly context: Readable | ClientFolders;
  /** Path inside the context, or inside the client's folder of the Dockerfile. */
  readonly dockerfile: string;
  /** Names for the result. */
  readonly tags: readonly Reference[];
  readonly buildArgs: Readonly<Record<string, string | undefined>>;
  readonly labels: Readonly<Record<string, string>>;
  /** A stage's name or number; undefined: the last. */
  readonly target: string | undefined;
  readonly noCache: boolean;
  readonly pull: boolean;
  /** What logs in at a registry when a FROM is pulled. */
  readonly credentialsFor?: (domain: string) => Credentials | undefined | Promise<Credentials | undefined>;
  readonly platform: { readonly os: string; readonly architecture: string };
  /** What RUN steps run in. */
  readonly isolation: Isolation;
  /** The network of RUN steps that do not name one. */
  readonly network: RunStep['network'];
  /** What each of them may use. */
  readonly limits: StepLimits;
}

/** Namespaces of the host's kernel, or a virtual machine. */
export type Isolation = 'container' | 'vm';

/** As in the resources of a container; 0 and "" are no limit, and what a virtual machine has by default. */
export interface StepLimits {
  /** Bytes. */
  readonly memory: number;
  /** Memory and swap together, in bytes; -1: unlimited swap. */
  readonly memorySwap: number;
  readonly cpuShares: number;
  /** Microseconds. */
  readonly cpuPeriod: number;
  /** Microseconds. */
  readonly cpuQuota: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  /** Bytes of /dev/shm; 0: 64 MiB. */
  readonly shmSize: number;
}

/** The folders that a client lends to a build. */
export interface ClientFolders {
  readonly kind: 'folders';
  /**
   * Looks into a folder. Throws `not-found` when the client has none by this name, `invalid` when what it tells is no folder's
   * content, `cancelled` when it goes.
   */
  open(request: FolderRequest, signal: AbortSignal): Promise<ClientFolder>;
}

export interface FolderRequest {
  readonly name: 'context' | 'dockerfile';
  /** Only what is at these paths, and what symlinks there lead to. */
  readonly only?: readonly string[];
  /** What .dockerignore excludes, in its own patterns. */
  readonly exclude?: readonly string[];
}

/** A folder of a client's: what is in it is known, contents are sent when they are asked for. */
export interface ClientFolder extends AsyncDisposable {
  /** Parents before children. Of files neither digest nor offset are known. */
  readonly entries: readonly ContextEntry[];
  /** Paths of hard links, with what they link to, which is among the entries. */
  readonly hardLinks: ReadonlyMap<string, string>;
  /**
   * Asks for the contents of files, each once: pieces come in order per file, but those of several files come mixed; an empty one
   * ends a file. Throws when the client goes.
   */
  contents(paths: readonly string[]): AsyncIterable<FilePiece>;
}

export interface FilePiece {
  readonly path: string;
  readonly data: Uint8Array;
}

/** What a running build tells its client: output, pulls and the result in the order of the Dockerfile, steps as they happen. */
export type BuildEvent =
  | { readonly kind: 'output'; readonly text: string }
  | { readonly kind: 'pull'; readonly progress: object }
  | { readonly kind: 'step'; readonly step: BuildStep; readonly news: StepNews }
  /** Its content as it is built, whatever may be wrong in it. */
  | { readonly kind: 'dockerfile'; readonly file: string; readonly content: string }
  | { readonly kind: 'result'; readonly imageId: Digest };

/** A part of a build that takes time, as BuildKit's clients list them. */
export interface BuildStep {
  /** Unique within its build. */
  readonly id: string;
  /** "[builder 2/4] RUN make", "[internal] load build context". */
  readonly name: string;
}

export type StepNews =
  | { readonly kind: 'started' | 'cached' | 'done' | 'cancelled' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'output'; readonly text: string }
  /** Something within the step that is counted in bytes; a total of 0 is unknown. */
  | {
      readonly kind: 'progress';
      readonly item: string;
      readonly current: number;
      readonly total: number;
      readonly isDone: boolean;
    }
  /** A line of a pull's progress, as the Engine API has them. */
  | { readonly kind: 'pull'; readonly progress: object };

/** One RUN step: a process in a root whose changes become a layer. */
export interface RunStep {
  readonly root: RootPlan;
  /** The process's arguments, as the image's shell form or exec form gives them. */
  readonly args: readonly string[];
  /** Environment, user and working directory of the step. */
  readonly config: ImageRuntimeConfig;
  readonly env: readonly string[];
  readonly network: 'default' | 'none' | 'host';
  readonly isolation: Isolation;
  /** What the process runs on. */
  readonly architecture: string;
  readonly limits: StepLimits;
  readonly onOutput: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How a step ended. */
export interface StepEnd {
  readonly exitCode: number;
  /**
   * Of a step that ended well in a virtual machine: the folder of what it has written, as overlayfs has it, is the worker's root,
   * and nothing is in the upper folder of the step's root. Undefined: it is there.
   */
  readonly changes: FileWorker | undefined;
}

/** What the builder needs of the engine. */
export interface BuildHost {
  /** The image of a FROM: local, or pulled (always when `pull`), reporting progress. Throws as the pull does. */
  resolveImage(
    reference: Reference,
    options: {
      platform: BuildRequest['platform'];
      pull: boolean;
      credentials: Credentials | undefined;
      signal: AbortSignal;
      onProgress: (progress: object) => void;
    },
  ): Promise<Image>;
  /** Hears of the image that a build has come to, and of the names that it got (canonical). */
  imageMade(image: Image, news: { readonly isNew: boolean; readonly tags: readonly string[] }): void;
  /** Runs a step to its end. Throws like a container's start when it cannot be started. */
  runStep(step: RunStep): Promise<StepEnd>;
}
