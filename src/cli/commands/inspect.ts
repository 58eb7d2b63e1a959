import { invalid, isBerthError, notFound } from '../../base/index.ts';
import type { EngineClient } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { failureText } from '../failure.ts';
import { CliCommand, parsedOption } from '../grammar.ts';
import { compileTemplate } from '../output/template.ts';

type Kind = 'container' | 'image' | 'network' | 'volume' | 'machine';

interface InspectFlags {
  readonly format?: string;
  readonly size?: boolean;
  readonly type?: Kind;
}

const LOOKUP: Readonly<Record<Kind, (client: EngineClient, name: string, size: boolean) => Promise<object>>> =
  {
    container: (client, name, size) => client.containers.inspect(name, size ? { size } : {}),
    image: (client, name) => client.images.inspect(name),
    network: (client, name) => client.networks.inspect(name),
    volume: (client, name) => client.volumes.inspect(name),
    machine: (client, name) => client.machines.inspect(name),
  };

/** `inspect`: whatever has the name, looked for in Docker's order, and then among machines. */
export function inspectCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Return low-level information on containers, images, networks, volumes and machines',
  );
  command
    .usage('[OPTIONS] NAME|ID [NAME|ID...]')
    .argument('<name...>')
    .option('-f, --format <string>', "Format output: 'json' or a Go template")
    .option('-s, --size', 'Display total file sizes if the type is container')
    .addOption(parsedOption('--type <string>', 'Only inspect objects of the given type', parseKind))
    .action((names: readonly string[], flags: InspectFlags) => {
      const { type, size = false } = flags;
      return inspect(cli, names, flags.format, (client, name) =>
        type === undefined ? findAny(client, name, size) : LOOKUP[type](client, name, size),
      );
    });
  return command;
}

export const inspectContainerCommand = inspectOf('container', 'CONTAINER');
export const inspectMachineCommand = inspectOf('machine', 'MACHINE');
export const inspectImageCommand = inspectOf('image', 'IMAGE');
export const inspectNetworkCommand = inspectOf('network', 'NETWORK');
export const inspectVolumeCommand = inspectOf('volume', 'VOLUME');

function inspectOf(kind: Kind, operand: string): (cli: Cli, path: string) => CliCommand {
  return (cli, path) => {
    const command = new CliCommand(path, `Display detailed information on one or more ${kind}s`);
    command
      .usage(`[OPTIONS] ${operand} [${operand}...]`)
      .argument('<name...>')
      .option('-f, --format <string>', "Format output: 'json' or a Go template");
    if (kind === 'container') command.option('-s, --size', 'Display total file sizes');
    command.action((names: readonly string[], { format, size = false }: InspectFlags) =>
      inspect(cli, names, format, (client, name) => LOOKUP[kind](client, name, size)),
    );
    return command;
  };
}

async function inspect(
  cli: Cli,
  names: readonly string[],
  format: string | undefined,
  find: (client: EngineClient, name: string) => Promise<object>,
): Promise<void> {
  const print = printer(format);
  const client = await cli.connect();
  const found: object[] = [];
  const failures: string[] = [];
  for (const name of names) {
    try {
      found.push(await find(client, name));
    } catch (error) {
      failures.push(failureText(error));
      cli.exitCode = 1;
    }
  }
  process.stdout.write(print(found));
  for (const failure of failures) process.stderr.write(`${failure}\n`);
}

function printer(format: string | undefined): (objects: readonly object[]) => string {
  if (format === undefined || format === '') return (objects) => `${JSON.stringify(objects, null, 4)}\n`;
  const template = compileTemplate(format === 'json' ? '{{json .}}' : format);
  return (objects) => objects.map((object) => `${template.render(object)}\n`).join('');
}

async function findAny(client: EngineClient, name: string, size: boolean): Promise<object> {
  for (const look of Object.values(LOOKUP)) {
    try {
      return await look(client, name, size);
    } catch (error) {
      // A name that one kind cannot have may be another's.
      if (!isBerthError(error, 'not-found') && !isBerthError(error, 'invalid')) throw error;
    }
  }
  throw notFound(`Error: No such object: ${name}`);
}

function parseKind(text: string): Kind {
  if (Object.hasOwn(LOOKUP, text)) return text as Kind;
  throw invalid(`it is one of ${Object.keys(LOOKUP).join(', ')}`);
}
