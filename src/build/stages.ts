import { invalid } from '../base/index.ts';
import type { Dockerfile, Stage } from './dockerfile/instructions.ts';

/** A stage with its number; stages that follow find it by number or name. */
export interface NumberedStage extends Stage {
  readonly number: number;
}

/** The stage that a build ends with: the last, or the one that `target` names. Throws `invalid` with the names there are. */
export function findTarget({ stages }: Dockerfile, target: string | undefined): NumberedStage {
  const numbered = stages.map((stage, number) => ({ ...stage, number }));
  const found =
    target === undefined
      ? numbered.at(-1)
      : numbered.find(({ name, number }) => name === target.toLowerCase() || String(number) === target);
  if (found !== undefined) return found;
  const names = numbered.flatMap(({ name }) => name ?? []);
  throw invalid(`target stage "${target}" could not be found`, {
    hint: names.length === 0 ? 'No stage of this Dockerfile has a name' : `Stages: ${names.join(', ')}`,
  });
}

/** The stage before `before` that a name or, for COPY --from, a number means. */
export function earlierStage(
  { stages }: Dockerfile,
  before: number,
  reference: string,
  options: { byNumber: boolean },
): NumberedStage | undefined {
  const earlier = stages.slice(0, before).map((stage, number) => ({ ...stage, number }));
  return earlier.findLast(
    ({ name, number }) =>
      name === reference.toLowerCase() || (options.byNumber && String(number) === reference),
  );
}

/** The stages that a target needs, in file order, itself included. */
export function neededStages(dockerfile: Dockerfile, target: NumberedStage): NumberedStage[] {
  const needed = new Map<number, NumberedStage>();
  const visit = (stage: NumberedStage) => {
    if (needed.has(stage.number)) return;
    needed.set(stage.number, stage);
    const copies = stage.instructions.flatMap((instruction) =>
      instruction.kind === 'copy' && instruction.from !== undefined ? [instruction.from] : [],
    );
    const sources = [
      earlierStage(dockerfile, stage.number, stage.base, { byNumber: false }),
      ...copies.map((from) => earlierStage(dockerfile, stage.number, from, { byNumber: true })),
    ];
    for (const source of sources) if (source !== undefined) visit(source);
  };
  visit(target);
  return [...needed.values()].sort((a, b) => a.number - b.number);
}
