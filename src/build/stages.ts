import { invalid } from '../base/index.ts';
import { expand } from './dockerfile/expand.ts';
import type { Dockerfile, Instruction, Stage } from './dockerfile/instructions.ts';
import { wrong } from './dockerfile/wrong.ts';

/** Where a stage begins. */
export type StageBase =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly number: number }
  | { readonly kind: 'image'; readonly reference: string };

/** A stage with its place among the others. */
export interface PlacedStage extends Omit<Stage, 'base'> {
  readonly number: number;
  readonly base: StageBase;
}

/** The stages of a Dockerfile with their FROM lines expanded. Throws `invalid` for a FROM that is blank then. */
export function placeStages(
  { stages, escapeCharacter }: Dockerfile,
  args: ReadonlyMap<string, string>,
): PlacedStage[] {
  const lookup = (name: string) => args.get(name);
  const placed: PlacedStage[] = [];
  for (const [number, stage] of stages.entries()) {
    const reference = expand(stage.base, lookup, escapeCharacter);
    if (reference === '')
      throw wrong(stage, `base name (${stage.base}) should not be blank`, 'Give its ARG a value');
    const earlier = placed.findLast(({ name }) => name === reference.toLowerCase());
    placed.push({
      ...stage,
      number,
      platform: stage.platform === undefined ? undefined : expand(stage.platform, lookup, escapeCharacter),
      base:
        reference === 'scratch'
          ? { kind: 'scratch' }
          : earlier === undefined
            ? { kind: 'image', reference }
            : { kind: 'stage', number: earlier.number },
    });
  }
  return placed;
}

/** The stage that a build ends with: the last, or the one that `target` names. Throws `invalid` with the names there are. */
export function findTarget(stages: readonly PlacedStage[], target: string | undefined): PlacedStage {
  const found =
    target === undefined
      ? stages.at(-1)
      : stages.find(({ name, number }) => name === target.toLowerCase() || String(number) === target);
  if (found !== undefined) return found;
  const names = stages.flatMap(({ name }) => name ?? []);
  throw invalid(`target stage "${target}" could not be found`, {
    hint: names.length === 0 ? 'No stage of this Dockerfile has a name' : `Stages: ${names.join(', ')}`,
  });
}

/** The number of the stage before `before` that a COPY --from means by name or number; undefined: it means an image. */
export function sourceStage(
  stages: readonly PlacedStage[],
  before: number,
  from: string,
): number | undefined {
  return stages
    .slice(0, before)
    .findLast(({ name, number }) => name === from.toLowerCase() || String(number) === from)?.number;
}

/** The stages that a target needs, in file order, itself included. */
export function neededStages(stages: readonly PlacedStage[], target: PlacedStage): PlacedStage[] {
  const needed = new Set<number>();
  const visit = ({ number, base, instructions }: PlacedStage) => {
    if (needed.has(number)) return;
    needed.add(number);
    const sources = instructions.flatMap((instruction) =>
      instruction.kind === 'copy' && instruction.from !== undefined
        ? (sourceStage(stages, number, instruction.from) ?? [])
        : [],
    );
    for (const source of base.kind === 'stage' ? [base.number, ...sources] : sources) {
      const stage = stages[source];
      if (stage !== undefined) visit(stage);
    }
  };
  visit(target);
  return stages.filter(({ number }) => needed.has(number));
}

/** Names a stage's steps as BuildKit's clients show them: "[builder 2/4] RUN make". */
export class StepNames {
  readonly #stage: string;
  #number = 0;
  #total: number;

  /** `isAlone`: no other stage is in the Dockerfile. */
  constructor({ name, number, base, instructions }: PlacedStage, isAlone: boolean) {
    this.#stage = name ?? (isAlone ? '' : `stage-${number}`);
    this.#total = (base.kind === 'image' ? 1 : 0) + instructions.filter(makesFiles).length;
  }

  /** Counts what the base image has left to do. */
  expect(triggers: readonly Instruction[]): void {
    this.#total += triggers.filter(makesFiles).length;
  }

  next(text: string): string {
    this.#number += 1;
    const number = String(this.#number).padStart(String(this.#total).length);
    return `[${this.#stage === '' ? '' : `${this.#stage} `}${number}/${this.#total}] ${text}`;
  }
}

/** What may change files: steps of their own to BuildKit's clients. The others only change the config. */
export type FileInstruction = Extract<Instruction, { kind: 'run' | 'copy' | 'workdir' }>;

export function makesFiles(instruction: Instruction): instruction is FileInstruction {
  return ['run', 'copy', 'workdir'].includes(instruction.kind);
}
