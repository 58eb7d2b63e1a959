import { executeTitled, planBuilds, planPulls, selectServices } from '../../compose/index.ts';
import { splitPair } from '../filters.ts';
import { CliCommand, listOption } from '../grammar.ts';
import type { ComposeContext } from './context.ts';

interface BuildFlags {
  readonly buildArg: readonly string[];
  /** False for --no-cache. */
  readonly cache: boolean;
  readonly pull?: boolean;
  readonly withDependencies?: boolean;
}

export function buildCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Build or rebuild services');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .addOption(listOption('--build-arg <arg>', 'Set build-time variables for services'))
    .option('--no-cache', 'Do not use cache when building the image')
    .option('--pull', 'Always attempt to pull a newer version of the image')
    .option('--with-dependencies', 'Also build dependencies (transitively)')
    .action(async (names: readonly string[], { buildArg, cache, pull, withDependencies }: BuildFlags) => {
      const project = context.project(names);
      const services = selectServices(project, names, { dependencies: withDependencies === true });
      const args = new Map(
        buildArg.map(splitPair).map(([name, value]) => [name, value ?? context.cli.env[name] ?? null]),
      );
      const plan = planBuilds(project, services, { noCache: !cache, pull, args });
      if (plan.steps.length === 0) context.warn('No services to build');
      await executeTitled('build', plan, await context.run());
    });
  return command;
}

export function pullCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Pull service images');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .option('--include-deps', 'Also pull services declared as dependencies')
    .action(async (names: readonly string[], { includeDeps }: { includeDeps?: boolean }) => {
      const project = context.project(names);
      const services = selectServices(project, names, { dependencies: includeDeps === true });
      await executeTitled('pull', planPulls(project, services), await context.run());
    });
  return command;
}
