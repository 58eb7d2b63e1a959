import { CliCommand, runCommand } from './grammar.ts';

/** Options before the command's name. */
export interface GlobalOptions {
  readonly host?: string;
  readonly context?: string;
  readonly tls?: boolean;
  readonly tlsverify?: boolean;
  readonly version?: boolean;
  readonly help?: boolean;
}

export type GlobalOutcome =
  | { readonly kind: 'read'; readonly options: GlobalOptions; readonly rest: readonly string[] }
  | { readonly kind: 'refused'; readonly text: string; readonly exitCode: number };

/** Reads the options up to the command's name; `rest` starts with that name. */
export async function readGlobalOptions(name: string, argv: readonly string[]): Promise<GlobalOutcome> {
  // Mostly there are none, and no grammar has to be made to read them.
  if (argv[0]?.startsWith('-') !== true) return { kind: 'read', options: {}, rest: argv };
  const command = globalCommand(name);
  const outcome = await runCommand(command, argv);
  if (outcome.kind === 'refused') return outcome;
  const options = command.opts<GlobalOptions>();
  return {
    kind: 'read',
    options: outcome.kind === 'help' ? { ...options, help: true } : options,
    rest: command.args,
  };
}

/** The grammar of what stands before a command's name. */
export function globalCommand(name: string): CliCommand {
  const command = new CliCommand(name, 'A container and virtual-machine engine', { interspersed: false });
  command
    .argument('[words...]')
    .usage('[OPTIONS] COMMAND')
    .option('-c, --context <string>', 'Name of the context: berth has "default"')
    .option('-H, --host <string>', 'Engine to connect to: unix:///path or tcp://host:port')
    .option('--tls', 'Use TLS (not implemented)')
    .option('--tlsverify', 'Use TLS and verify the engine (not implemented)')
    .option('-v, --version', 'Print version information and quit')
    .action(() => {});
  return command;
}
