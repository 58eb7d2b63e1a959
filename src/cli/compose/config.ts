import { configText, imageOf, type Project } from '../../compose/index.ts';
import { CliCommand } from '../grammar.ts';
import type { ComposeContext } from './context.ts';

interface ConfigFlags {
  readonly images?: boolean;
  readonly networks?: boolean;
  readonly profiles?: boolean;
  readonly quiet?: boolean;
  readonly services?: boolean;
  readonly volumes?: boolean;
}

export function configCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Parse, resolve and render compose file in canonical format');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .option('--images', 'Print the image names, one per line')
    .option('--networks', 'Print the network names, one per line')
    .option('--profiles', 'Print the profile names, one per line')
    .option('-q, --quiet', "Only validate the configuration, don't print anything")
    .option('--services', 'Print the service names, one per line')
    .option('--volumes', 'Print the volume names, one per line')
    .action((services: readonly string[], flags: ConfigFlags) => {
      const project = context.project(services);
      if (flags.quiet !== true) process.stdout.write(textOf(project, flags));
    });
  return command;
}

function textOf(project: Project, flags: ConfigFlags): string {
  const { services, networks, volumes } = project;
  if (flags.services === true) return lines(services.map(({ name }) => name));
  if (flags.images === true) return lines(services.map((service) => imageOf(project, service)));
  if (flags.networks === true) return lines(networks.map(({ key }) => key));
  if (flags.volumes === true) return lines(volumes.map(({ key }) => key));
  if (flags.profiles === true) return lines(services.flatMap(({ profiles }) => profiles).sort());
  return configText(project);
}

function lines(names: readonly string[]): string {
  return [...new Set(names)].map((name) => `${name}\n`).join('');
}
