import { formatBinarySize, isBerthError } from '../../base/index.ts';
import type { ContainerEnd, ContainerEnds, EngineClient } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { askExtension } from '../extension.ts';
import { CliCommand } from '../grammar.ts';
import { ago } from '../output/words.ts';
import { forEachTarget } from '../targets.ts';

/** `why`: how a container or a machine ended, or why it did not start. */
export function whyCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Explain why containers or machines ended or did not start');
  command
    .usage('[OPTIONS] CONTAINER [CONTAINER...]')
    .argument('<container...>')
    .option('-a, --all', 'Show the earlier ends that are kept in full, too')
    .action(async (containers: readonly string[], { all = false }: { all?: boolean }) => {
      const client = await cli.connect();
      await forEachTarget(cli, containers, async (container) =>
        explain(await endsOf(client, container), all),
      );
    });
  return command;
}

async function endsOf(client: EngineClient, name: string): Promise<ContainerEnds> {
  try {
    return await askExtension('this engine keeps no reports of how containers ended', () =>
      client.containers.ends(name),
    );
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
    return client.machines.ends(name).catch(() => Promise.reject(error));
  }
}

/** The text for one container, without a newline at its end. */
export function explain(
  { Name, State, Status, Reason = '', Ends, LogDriver }: ContainerEnds,
  all: boolean,
): string {
  const standstill =
    State === 'paused' && Reason !== ''
      ? [
          `  It stands still: ${Reason}. It goes on when space is freed on the file system of berthd's data root.`,
        ]
      : [];
  const [last, ...earlier] = Ends;
  const head = [`${Name}: ${Status}`, ...standstill].join('\n');
  if (last === undefined) {
    return `${head}\n  ${State === 'created' ? 'It was never started.' : 'It has not ended yet since berth keeps reports.'}`;
  }
  const isOver = State === 'exited' || State === 'created' || State === 'restarting';
  return [
    head,
    ...(isOver ? [] : [`  It is ${State}. Its last end was ${when(last)}:`]),
    ...whole(last, LogDriver),
    ...(earlier.length === 0 ? [] : ['', '  Before that:']),
    ...earlier.flatMap((end) => (all ? ['', ...whole(end, LogDriver, when(end))] : [`    ${inShort(end)}`])),
  ].join('\n');
}

function whole(end: ContainerEnd, logDriver: string, title?: string): string[] {
  return [
    ...(title === undefined ? [] : [`  ${title}, exit code ${end.ExitCode}:`]),
    ...end.Explanation.map((sentence) => `  ${sentence}`),
    ...memoryLine(end),
    ...(end.Restarted ? ['  Its restart policy started it again.'] : []),
    ...logLines(end, logDriver),
  ];
}

/** A lack of memory is explained with its sizes already. */
function memoryLine({ Cause, Memory }: ContainerEnd): string[] {
  if (Cause === 'out-of-memory' || Memory === undefined || Memory.Peak === null) return [];
  const limit = Memory.Limit === null ? '' : ` of ${formatBinarySize(Memory.Limit)}`;
  return [`  It had at most ${formatBinarySize(Memory.Peak)}${limit} of memory in use at once.`];
}

function logLines({ Cause, Log }: ContainerEnd, logDriver: string): string[] {
  if (Cause === 'start-failure') return [];
  if (logDriver === 'none') return ['  Its log driver (none) keeps no lines to show.'];
  if (Log.length === 0) return ['  It wrote nothing to its log.'];
  return ['  The last lines of its log:', ...Log.map(({ Text: text }) => `    ${text}`)];
}

function inShort(end: ContainerEnd): string {
  const reason = end.Reason === '' ? '' : `: ${end.Reason}`;
  return `${when(end)}: exit code ${end.ExitCode}${reason}`;
}

const when = ({ FinishedAt }: ContainerEnd) => ago(Date.parse(FinishedAt) / 1000);
