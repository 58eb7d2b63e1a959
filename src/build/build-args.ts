import type { BuildRequest } from './contract.ts';
import { expand } from './dockerfile/expand.ts';
import type { Dockerfile } from './dockerfile/instructions.ts';

/** Variables that RUN sees without an ARG, and that no key depends on (Dockerfile reference, "Predefined ARGs"). */
const PREDEFINED = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/** What FROM lines see, and what an ARG without a value takes in a stage: the platform's ARGs and those before FROM. */
export function globalArgs(dockerfile: Dockerfile, request: BuildRequest): ReadonlyMap<string, string> {
  const { os, architecture } = request.platform;
  const args = new Map(
    ['TARGET', 'BUILD'].flatMap((prefix): [string, string][] => [
      [`${prefix}PLATFORM`, `${os}/${architecture}`],
      [`${prefix}OS`, os],
      [`${prefix}ARCH`, architecture],
      [`${prefix}VARIANT`, ''],
    ]),
  );
  for (const { name, value } of dockerfile.globalArgs) {
    const lookup = (other: string) => args.get(other);
    const fallback = value === undefined ? undefined : expand(value, lookup, dockerfile.escapeCharacter);
    const result = request.buildArgs[name] ?? fallback;
    if (result !== undefined) args.set(name, result);
  }
  return args;
}

/** The proxies of a request, as a RUN's environment. */
export function proxyEnvironment({ buildArgs }: BuildRequest): string[] {
  return PREDEFINED.flatMap((name) => {
    const value = buildArgs[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** Build arguments that no ARG declares: most often misspelt. */
export function unusedArgs(dockerfile: Dockerfile, { buildArgs }: BuildRequest): string[] {
  const inStages = dockerfile.stages.flatMap(({ instructions }) =>
    instructions.flatMap((instruction) => (instruction.kind === 'arg' ? instruction.declarations : [])),
  );
  const declared = new Set([...dockerfile.globalArgs, ...inStages].map(({ name }) => name));
  return Object.keys(buildArgs).filter((name) => !declared.has(name) && !PREDEFINED.includes(name));
}
