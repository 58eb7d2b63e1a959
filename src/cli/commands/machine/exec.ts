import { buffer } from 'node:stream/consumers';
import type { Cli } from '../../cli.ts';
import { readEnvironment } from '../../container/environment.ts';
import { CliCommand, listOption } from '../../grammar.ts';

interface ExecFlags {
  readonly env: readonly string[];
  readonly interactive?: boolean;
  readonly workdir?: string;
}

export function machineExecCommand(cli: Cli, path: string): CliCommand {
  const summary = "Execute a command in a running machine, by QEMU's guest agent";
  const command = new CliCommand(path, summary, { interspersed: false });
  command
    .usage('[OPTIONS] MACHINE COMMAND [ARG...]')
    .argument('<machine>')
    .argument('<command>')
    .argument('[args...]')
    .addOption(listOption('-e, --env <list>', 'Set environment variables'))
    .option('-i, --interactive', 'Give it standard input, up to its end')
    .option('-w, --workdir <string>', 'Working directory inside the machine')
    .action(async (machine: string, program: string, args: readonly string[], flags: ExecFlags) => {
      cli.exitCode = await exec(cli, machine, [program, ...args], flags);
    });
  return command;
}

async function exec(
  cli: Cli,
  machine: string,
  words: readonly string[],
  { env, interactive, workdir }: ExecFlags,
): Promise<number> {
  const input = interactive === true ? (await buffer(process.stdin)).toString('base64') : undefined;
  const environment = await readEnvironment([], env, cli.env);
  const { machines } = await cli.connect();
  const answer = await machines.exec(machine, { Cmd: words, Env: environment, Dir: workdir, Input: input });
  process.stdout.write(Buffer.from(answer.Output, 'base64'));
  process.stderr.write(Buffer.from(answer.ErrorOutput, 'base64'));
  if (answer.Truncated) process.stderr.write('WARNING: the guest agent kept only the first 16 MiB of it\n');
  return answer.ExitCode;
}
