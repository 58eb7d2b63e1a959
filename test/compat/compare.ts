import type { Recorded } from './script.ts';

/** A place where berth answers otherwise than dockerd, and why that stays. */
export interface Difference {
  /** Matches "script/step/member.path". */
  readonly where: RegExp;
  readonly reason: string;
}

/** Each place where two recordings differ, as "script/step/path: dockerd says …, berth says …". */
export function differences(
  script: string,
  golden: readonly Recorded[],
  actual: readonly Recorded[],
  accepted: readonly Difference[],
): string[] {
  return golden.flatMap((expected, index) => {
    const given = actual[index];
    if (given === undefined) return [`${script}/${expected.step}: no answer`];
    const found = [...compare(expected, given, `${script}/${expected.step}`)];
    return found
      .filter(({ path }) => !accepted.some(({ where }) => where.test(path)))
      .map(({ path, golden: wanted, actual: got }) => `${path}: dockerd says ${wanted}, berth says ${got}`);
  });
}

interface Found {
  readonly path: string;
  readonly golden: string;
  readonly actual: string;
}

function* compare(golden: unknown, actual: unknown, path: string): Generator<Found> {
  if (isObject(golden) && isObject(actual)) {
    for (const name of new Set([...Object.keys(golden), ...Object.keys(actual)])) {
      yield* compare(golden[name], actual[name], `${path}/${name}`);
    }
  } else if (Array.isArray(golden) && Array.isArray(actual)) {
    for (let index = 0; index < Math.max(golden.length, actual.length); index += 1) {
      yield* compare(golden[index], actual[index], `${path}/${index}`);
    }
  } else if (JSON.stringify(golden) !== JSON.stringify(actual) && !tellsMore(path, golden, actual)) {
    yield { path, golden: JSON.stringify(golden) ?? 'nothing', actual: JSON.stringify(actual) ?? 'nothing' };
  }
}

/** An error may go on with the way out, behind dockerd's words. */
function tellsMore(path: string, golden: unknown, actual: unknown): boolean {
  if (!path.endsWith('/body/message') || typeof golden !== 'string' || typeof actual !== 'string')
    return false;
  return actual.startsWith(`${golden}. `);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
