/** Where an instruction stands. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  /** The instruction as written, its keyword in upper case, continuation lines joined. */
  readonly text: string;
}

/** Shell form: a text for the stage's SHELL; exec form: the arguments themselves. */
export type CommandForm =
  | { readonly form: 'shell'; readonly text: string }
  | { readonly form: 'exec'; readonly args: readonly string[] };

export interface Pair {
  readonly name: string;
  readonly value: string;
}

/** A parsed instruction; texts are not yet expanded. */
export type Instruction = Origin &
  (
    | RunInstruction
    | CopyInstruction
    | HealthcheckInstruction
    | { readonly kind: 'env'; readonly pairs: readonly Pair[] }
    | { readonly kind: 'label'; readonly pairs: readonly Pair[] }
    | { readonly kind: 'arg'; readonly declarations: readonly ArgDeclaration[] }
    | { readonly kind: 'workdir'; readonly path: string }
    | { readonly kind: 'user'; readonly user: string }
    | { readonly kind: 'expose'; readonly ports: string }
    | { readonly kind: 'volume'; readonly paths: CommandForm }
    | { readonly kind: 'cmd'; readonly command: CommandForm }
    | { readonly kind: 'entrypoint'; readonly command: CommandForm }
    | { readonly kind: 'shell'; readonly args: readonly string[] }
    | { readonly kind: 'stopsignal'; readonly signal: string }
    | { readonly kind: 'maintainer'; readonly name: string }
    /** An instruction for builds that begin with this image. */
    | { readonly kind: 'onbuild'; readonly trigger: string }
  );

export interface RunInstruction {
  readonly kind: 'run';
  readonly command: CommandForm;
  readonly network: 'default' | 'none' | 'host';
}

export interface CopyInstruction {
  readonly kind: 'copy';
  /** ADD unpacks local archives, COPY does not. */
  readonly unpack: boolean;
  readonly sources: readonly string[];
  readonly destination: string;
  /** A stage's name or number, or an image; undefined: the context. */
  readonly from: string | undefined;
  readonly owner: string | undefined;
  readonly mode: string | undefined;
}

/** As the image config has it (Engine API, HealthConfig); durations in nanoseconds. */
export interface HealthcheckInstruction {
  readonly kind: 'healthcheck';
  readonly test: readonly string[];
  readonly timing: Readonly<Record<string, number>>;
}

export interface ArgDeclaration {
  readonly name: string;
  readonly value: string | undefined;
}

export interface Stage extends Origin {
  /** The FROM's image or stage, not yet expanded. */
  readonly base: string;
  readonly platform: string | undefined;
  /** Lower case. */
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly escapeCharacter: string;
  /** ARGs before the first FROM; FROM lines are expanded by them. */
  readonly globalArgs: readonly ArgDeclaration[];
  readonly stages: readonly Stage[];
}
