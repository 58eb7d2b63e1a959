import packageJson from '../../../package.json' with { type: 'json' };
import { type EngineVersion, NEWEST_API_VERSION } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { failureText } from '../failure.ts';
import { CliCommand } from '../grammar.ts';
import { compileTemplate } from '../output/template.ts';

/** The one line of `--version`. */
export function versionLine(name: string): string {
  const program = name === 'docker' ? 'Docker version' : 'berth version';
  return `${program} ${packageJson.version}${name === 'docker' ? ' (berth)' : ''}`;
}

export function versionCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Show the version information of client and engine');
  command
    .usage('[OPTIONS]')
    .option('-f, --format <string>', "Format output: 'json' or a Go template")
    .action(({ format }: { format?: string }) => showVersion(cli, format));
  return command;
}

async function showVersion(cli: Cli, format: string | undefined): Promise<void> {
  const template =
    format === undefined || format === ''
      ? undefined
      : compileTemplate(format === 'json' ? '{{json .}}' : format);
  const answer = await askEngine(cli);
  const client = {
    Version: packageJson.version,
    ApiVersion: answer.kind === 'answered' ? answer.apiVersion : NEWEST_API_VERSION,
    DefaultAPIVersion: NEWEST_API_VERSION,
    NodeVersion: process.version,
    Os: process.platform,
    Arch: process.arch === 'x64' ? 'amd64' : process.arch,
    Context: 'default',
  };
  const server = answer.kind === 'answered' ? answer.version : null;
  if (template !== undefined)
    process.stdout.write(`${template.render({ Client: client, Server: server })}\n`);
  else process.stdout.write(clientText(client) + (server === null ? '' : serverText(server)));
  if (answer.kind === 'answered') return;
  process.stderr.write(`${failureText(answer.error)}\n`);
  cli.exitCode = 1;
}

type Answer =
  | { readonly kind: 'answered'; readonly version: EngineVersion; readonly apiVersion: string }
  | { readonly kind: 'failed'; readonly error: unknown };

/** An engine that does not answer is no reason not to say who we are. */
async function askEngine(cli: Cli): Promise<Answer> {
  try {
    const client = await cli.connect();
    const [version, apiVersion] = await Promise.all([client.system.version(), client.system.apiVersion()]);
    return { kind: 'answered', version, apiVersion };
  } catch (error) {
    return { kind: 'failed', error };
  }
}

function clientText(client: {
  Version: string;
  ApiVersion: string;
  NodeVersion: string;
  Os: string;
  Arch: string;
}): string {
  return block('Client: berth', [
    ['Version', client.Version],
    ['API version', client.ApiVersion],
    ['Node version', client.NodeVersion],
    ['OS/Arch', `${client.Os}/${client.Arch}`],
  ]);
}

function serverText(server: EngineVersion): string {
  const name = server.Platform?.Name ?? '';
  const engine = block(
    ' Engine:',
    [
      ['Version', server.Version],
      ['API version', `${server.ApiVersion} (minimum version ${server.MinAPIVersion})`],
      ['Go version', server.GoVersion],
      ['Git commit', server.GitCommit],
      ['Built', server.BuildTime],
      ['OS/Arch', `${server.Os}/${server.Arch}`],
      ['Experimental', server.Experimental === undefined ? undefined : String(server.Experimental)],
    ],
    '  ',
  );
  const others = (server.Components ?? [])
    .filter(({ Name: component }) => component !== 'Engine')
    .map(({ Name: component, Version: version, Details: details }) =>
      block(
        ` ${component}:`,
        [
          ['Version', version],
          ['GitCommit', details?.GitCommit],
        ],
        '  ',
      ),
    );
  return `\nServer:${name === '' ? '' : ` ${name}`}\n${engine}${others.join('')}`;
}

/** A title and its values, aligned; those that are not known are left out. */
function block(
  title: string,
  values: readonly (readonly [string, string | undefined])[],
  indent = ' ',
): string {
  const lines = values
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${indent}${`${name}:`.padEnd(19 - indent.length)}${value}`);
  return `${title}\n${lines.join('\n')}\n`;
}
