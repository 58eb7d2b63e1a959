/** Docker's search path where an image sets none. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The environment of a process: PATH, HOSTNAME and, with a terminal, TERM, then what was asked for. A later entry
 * replaces an earlier one of the same name in its place; a name without "=" removes it. HOME comes last where nobody set it.
 */
export function processEnvironment(input: {
  readonly env: readonly string[];
  readonly hostname: string | undefined;
  readonly terminal: boolean;
  readonly home: string;
}): string[] {
  const variables = new Map<string, string>();
  const defaults = [
    `PATH=${DEFAULT_PATH}`,
    ...(input.hostname === undefined ? [] : [`HOSTNAME=${input.hostname}`]),
    ...(input.terminal ? ['TERM=xterm'] : []),
  ];
  for (const entry of [...defaults, ...input.env]) {
    const at = entry.indexOf('=');
    if (at < 0) variables.delete(entry);
    else variables.set(entry.slice(0, at), entry.slice(at + 1));
  }
  if (!variables.has('HOME')) variables.set('HOME', input.home);
  return Array.from(variables, ([name, value]) => `${name}=${value}`);
}
