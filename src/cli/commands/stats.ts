import { errorMessage, isBerthError } from '../../base/index.ts';
import type { ContainerStats, EngineClient } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { formatRows } from '../output/table.ts';
import { machineUsageRow, usageRow } from '../output/usage-row.ts';

interface StatsFlags {
  readonly all?: boolean;
  readonly format?: string;
  /** True unless --no-stream was given. */
  readonly stream: boolean;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
}

export function statsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, "Display a live stream of containers' resource usage");
  command
    .usage('[OPTIONS] [CONTAINER...]')
    .argument('[container...]')
    .option('-a, --all', 'Show all containers (default shows just running)');
  return withReadings(cli, command, ({ containers: things, system }) => ({
    things,
    system,
    type: 'container',
  }));
}

export function machineStatsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Display a live stream of what machines use of the host');
  command
    .usage('[OPTIONS] [MACHINE...]')
    .argument('[machine...]')
    .option('-a, --all', 'Show all machines (default shows just running)');
  return withReadings(cli, command, ({ machines: things, system }) => ({ things, system, type: 'machine' }));
}

/** Things that use something of the host, and the events that tell of them. */
interface Watched {
  readonly things: Pick<
    EngineClient['containers'] | EngineClient['machines'],
    'stats' | 'watchStats' | 'list'
  >;
  readonly system: Pick<EngineClient['system'], 'events'>;
  readonly type: 'container' | 'machine';
}

function withReadings(
  cli: Cli,
  command: CliCommand,
  watchedOf: (client: EngineClient) => Watched,
): CliCommand {
  command
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('--no-stream', 'Disable streaming stats and only pull the first result')
    .option('--no-trunc', "Don't truncate output")
    .action(async (containers: readonly string[], flags: StatsFlags) => {
      const watched = watchedOf(await cli.connect());
      if (flags.stream) await follow(cli, watched, containers, flags);
      else process.stdout.write(tableText(await readOnce(watched, containers, flags), flags, watched.type));
    });
  return command;
}

/** The newest reading of each container, in the order in which they were asked for. */
type UsageTable = Map<string, ContainerStats | undefined>;

function tableText(table: UsageTable, { format, trunc }: StatsFlags, type: Watched['type']): string {
  const rowOf = type === 'machine' ? machineUsageRow : usageRow;
  const rows = [...table].map(([name, stats]) => rowOf(name, stats, trunc));
  return formatRows(rows, { format, defaultFormat: COLUMNS[type], headers: HEADERS });
}

const USED = '{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t{{.BlockIO}}';

/** The threads of a QEMU are of no interest to the machine's user, but what is left inside. */
const COLUMNS: Readonly<Record<Watched['type'], string>> = {
  container: `table {{.ID}}\\t{{.Name}}\\t${USED}\\t{{.PIDs}}`,
  machine: `table {{.Name}}\\t${USED}\\t{{.GuestMem}}`,
};

const HEADERS = {
  Container: 'CONTAINER',
  Name: 'NAME',
  ID: 'CONTAINER ID',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
  GuestMem: 'GUEST MEM / TOTAL',
};

/** One reading of each, all at the same time. */
async function readOnce(
  watched: Watched,
  containers: readonly string[],
  flags: StatsFlags,
): Promise<UsageTable> {
  const named = containers.length > 0 ? containers : await listed(watched, flags);
  const table: UsageTable = new Map();
  for (const container of named) table.set(container, undefined);
  await Promise.all(
    named.map(async (container) => {
      try {
        table.set(container, await watched.things.stats(container));
      } catch (error) {
        const wasRemoved = containers.length === 0 && isBerthError(error, 'not-found');
        if (!wasRemoved) throw error;
        table.delete(container);
      }
    }),
  );
  return table;
}

async function listed({ things }: Watched, { all = false }: StatsFlags): Promise<string[]> {
  return (await things.list({ all })).map(({ Id }) => Id);
}

/** Milliseconds between two paintings, as in Docker. */
const PAINT_INTERVAL = 500;

/** Paints the table again and again. Without names, containers come and go as they start and end. */
async function follow(
  cli: Cli,
  watched: Watched,
  containers: readonly string[],
  flags: StatsFlags,
): Promise<void> {
  using watches = new Watches(watched);
  const painter = setInterval(() => paint(watches.table, flags, watched.type), PAINT_INTERVAL);
  try {
    if (containers.length > 0) await Promise.all(containers.map((container) => watches.follow(container)));
    else await followAll(cli, watched, watches, flags);
  } finally {
    clearInterval(painter);
  }
}

/** The containers that are being read, each by a stream of its own. */
class Watches implements Disposable {
  readonly table: UsageTable = new Map();
  readonly #watched: Watched;
  readonly #streams = new Map<string, AbortController>();

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** Reads a container until it is removed or forgotten; one that is read already is left as it is. */
  async follow(container: string): Promise<void> {
    if (this.#streams.has(container)) return;
    const stop = new AbortController();
    this.#streams.set(container, stop);
    this.table.set(container, undefined);
    try {
      for await (const stats of await this.#watched.things.watchStats(container, stop)) {
        if (stop.signal.aborted) return;
        this.table.set(container, stats);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      if (!stop.signal.aborted) this.forget(container);
    }
  }

  forget(container: string): void {
    this.#streams.get(container)?.abort();
    this.#streams.delete(container);
    this.table.delete(container);
  }

  [Symbol.dispose](): void {
    for (const container of this.#streams.keys()) this.forget(container);
  }
}

async function followAll(
  cli: Cli,
  watched: Watched,
  watches: Watches,
  { all = false }: StatsFlags,
): Promise<void> {
  const follow = (id: string) => {
    watches.follow(id).catch((error: unknown) => {
      process.stderr.write(`${cli.name}: ${errorMessage(error)}\n`);
    });
  };
  // Asked for before the list, so that no start between the two is missed.
  const events = await watched.system.events({ filters: { type: [watched.type] } });
  for (const { Id } of await watched.things.list({ all })) follow(Id);
  for await (const { Action: action, Actor: actor } of events) {
    if (action === 'start' || (action === 'create' && all)) follow(actor.ID);
    if (action === 'destroy' || (action === 'die' && !all)) watches.forget(actor.ID);
  }
}

/** On a terminal each painting covers the one before; elsewhere they follow each other. */
function paint(table: UsageTable, flags: StatsFlags, type: Watched['type']): void {
  const text = tableText(table, flags, type);
  if (!process.stdout.isTTY) process.stdout.write(text);
  else process.stdout.write(`\u001B[H${text.replaceAll('\n', '\u001B[K\n')}\u001B[J`);
}
