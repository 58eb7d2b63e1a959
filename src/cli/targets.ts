import { isBerthError } from '../base/index.ts';
import type { Cli } from './cli.ts';
import { failureText } from './failure.ts';

/** More at a time would only wait for the engine. */
const AT_A_TIME = 50;

type Outcome =
  | { readonly kind: 'done'; readonly line: string }
  | { readonly kind: 'failed'; readonly error: unknown };

/**
 * Does the same to each of several things at the same time, and prints for each, in the order given, what `work` resolves
 * to (its name, if nothing) or why it failed. A failure does not stop the others; it makes the exit code 1,
 * unless the thing is missing and that is fine (`--force`).
 */
export async function forEachTarget(
  cli: Cli,
  targets: readonly string[],
  work: (target: string) => Promise<unknown>,
  { missingIsFine = false }: { missingIsFine?: boolean } = {},
): Promise<void> {
  const running: Promise<Outcome>[] = [];
  for (const [index, target] of targets.entries()) {
    if (index >= AT_A_TIME) await running[index - AT_A_TIME];
    running.push(attempt(target, work));
  }
  for (const attempted of running) {
    const outcome = await attempted;
    if (outcome.kind === 'done') {
      process.stdout.write(`${outcome.line}\n`);
      continue;
    }
    process.stderr.write(`${failureText(outcome.error)}\n`);
    if (!missingIsFine || !isBerthError(outcome.error, 'not-found')) cli.exitCode = 1;
  }
}

async function attempt(target: string, work: (target: string) => Promise<unknown>): Promise<Outcome> {
  try {
    const result = await work(target);
    return { kind: 'done', line: typeof result === 'string' ? result : target };
  } catch (error) {
    return { kind: 'failed', error };
  }
}
