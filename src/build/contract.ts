import type { Readable } from 'node:stream';
import type { Digest, Reference } from '../base/index.ts';
import type { Credentials } from '../registry/contract.ts';
import type { FileWorker, RootPlan } from '../runtime/contract.ts';
import type { Image, ImageRuntimeConfig } from '../store/contract.ts';

/** What the build endpoint was asked for, parsed. */
export interface BuildRequest {
  /** The context as a plain tar. */
  readonly context: Readable;
  /** Path inside the context. */
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
  readonly credentialsFor?: (domain: string) => Credentials | undefined;
  readonly platform: { readonly os: string; readonly architecture: string };
  /** What RUN steps run in. */
  readonly isolation: Isolation;
}

/** A container, or a virtual machine with so many bytes of memory (undefined: what a machine has by default). */
export type Isolation =
  | { readonly kind: 'container' }
  | { readonly kind: 'vm'; readonly memory: number | undefined };

/** What a running build tells its client, in order. */
export type BuildEvent =
  | { readonly kind: 'output'; readonly text: string }
  | { readonly kind: 'pull'; readonly progress: object }
  | { readonly kind: 'result'; readonly imageId: Digest };

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
