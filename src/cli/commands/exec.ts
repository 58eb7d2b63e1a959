import { errorMessage } from '../../base/index.ts';
import type { EngineClient } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { readEnvironment } from '../container/environment.ts';
import { failureText, programFailureCode } from '../failure.ts';
import { CliCommand, listOption } from '../grammar.ts';
import { detachKeysOption } from '../terminal/detach-keys.ts';
import { checkTerminal, Session } from '../terminal/session.ts';
import { leftByKeys } from './attach.ts';

interface ExecFlags {
  readonly detach?: boolean;
  readonly detachKeys?: string;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly interactive?: boolean;
  readonly privileged?: boolean;
  readonly tty?: boolean;
  readonly user?: string;
  readonly workdir?: string;
}

export function execCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Execute a command in a running container', { interspersed: false });
  command
    .usage('[OPTIONS] CONTAINER COMMAND [ARG...]')
    .argument('<container>')
    .argument('<command>')
    .argument('[args...]')
    .option('-d, --detach', 'Detached mode: run command in the background')
    .addOption(detachKeysOption())
    .addOption(listOption('-e, --env <list>', 'Set environment variables'))
    .addOption(listOption('--env-file <list>', 'Read in a file of environment variables'))
    .option('-i, --interactive', 'Keep STDIN open even if not attached')
    .option('--privileged', 'Give extended privileges to the command')
    .option('-t, --tty', 'Allocate a pseudo-TTY')
    .option('-u, --user <string>', 'Username or UID (format: "<name|uid>[:<group|gid>]")')
    .option('-w, --workdir <string>', 'Working directory inside the container')
    .action(async (container: string, program: string, args: readonly string[], flags: ExecFlags) => {
      cli.exitCode = await exec(cli, container, [program, ...args], flags);
    });
  return command;
}

async function exec(
  cli: Cli,
  container: string,
  words: readonly string[],
  flags: ExecFlags,
): Promise<number> {
  const detach = flags.detach === true;
  const tty = flags.tty === true;
  const stdin = flags.interactive === true && !detach;
  checkTerminal({ stdin, tty });
  const environment = await readEnvironment(flags.envFile, flags.env, cli.env);
  const client = await cli.connect();
  const id = await client.exec.create(container, {
    Cmd: words,
    AttachStdin: stdin,
    AttachStdout: !detach,
    AttachStderr: !detach,
    Tty: tty,
    Env: environment,
    User: flags.user,
    WorkingDir: flags.workdir,
    Privileged: flags.privileged,
    DetachKeys: flags.detachKeys,
    ...(tty && process.stdout.isTTY ? { ConsoleSize: [process.stdout.rows, process.stdout.columns] } : {}),
  });
  try {
    if (!detach) {
      return (await runAttached(client, id, { stdin, tty, detachKeys: flags.detachKeys })) ?? leftByKeys();
    }
    await client.exec.startDetached(id, { tty });
    return 0;
  } catch (error) {
    const code = programFailureCode(errorMessage(error));
    if (code === undefined) throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return code;
  }
}

async function runAttached(
  client: EngineClient,
  id: string,
  options: { stdin: boolean; tty: boolean; detachKeys: string | undefined },
): Promise<number | undefined> {
  const { tty } = options;
  const stream = await client.exec.start(id, { tty });
  using session = new Session({ ...options, stream, resize: (size) => client.exec.resize(id, size) });
  void session.fitTerminal();
  if ((await session.ended) === 'detached') return undefined;
  return (await client.exec.inspect(id)).ExitCode ?? 0;
}
