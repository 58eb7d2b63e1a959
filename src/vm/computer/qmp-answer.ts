import { internal, unavailable } from '../../base/index.ts';

/** A line of QMP. Throws `internal` when it is no JSON object: the monitor passes none on that is not. */
export function parseObject(line: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(line);
  if (isObject(value)) return value;
  throw internal(`QEMU said what is no object: ${line}`);
}

/** What a command returned. Throws `unavailable` with QEMU's own words when it was refused. */
export function returnedBy(command: string, line: string): unknown {
  const { return: value, error } = parseObject(line);
  if (!isObject(error)) return value;
  throw unavailable(`QEMU refuses ${command}: ${String(error.desc)}`);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
