import { invalid, unavailable } from '../../base/index.ts';
import {
  type BringUpOptions,
  bringUp,
  type ComposeRun,
  type Project,
  upAttached,
} from '../../compose/index.ts';
import { CliCommand, parsedListOption, parsedOption, parseWholeNumber } from '../grammar.ts';
import type { ComposeContext } from './context.ts';
import { listenForInterrupts } from './interrupts.ts';

interface UpFlags {
  readonly abortOnContainerExit?: boolean;
  readonly abortOnContainerFailure?: boolean;
  readonly build: boolean | undefined;
  /** False for --no-color. */
  readonly color: boolean;
  /** False for --no-deps. */
  readonly deps: boolean;
  readonly detach?: boolean;
  readonly exitCodeFrom?: string;
  readonly forceRecreate?: boolean;
  /** False for --no-log-prefix. */
  readonly logPrefix: boolean;
  readonly pull?: string;
  /** False for --no-recreate. */
  readonly recreate: boolean;
  readonly removeOrphans?: boolean;
  readonly scale: readonly (readonly [string, number])[];
  /** False for --no-start. */
  readonly start: boolean;
  readonly timeout?: number;
  readonly wait?: boolean;
  readonly waitTimeout?: number;
}

export function upCommand(context: ComposeContext, path: string): CliCommand {
  const command = new CliCommand(path, 'Create and start containers');
  command
    .usage('[OPTIONS] [SERVICE...]')
    .argument('[services...]')
    .option('--abort-on-container-exit', 'Stops all containers if any container was stopped')
    .option('--abort-on-container-failure', 'Stops all containers if any container exited with failure')
    .option('--build', 'Build images before starting containers')
    .option('-d, --detach', 'Detached mode: Run containers in the background')
    .option('--exit-code-from <string>', 'Return the exit code of the selected service container')
    .option('--force-recreate', "Recreate containers even if their configuration and image haven't changed")
    .option('--no-build', "Don't build an image, even if it's policy")
    .option('--no-color', 'Produce monochrome output')
    .option('--no-deps', "Don't start linked services")
    .option('--no-log-prefix', "Don't print prefix in logs")
    .option('--no-recreate', "If containers already exist, don't recreate them")
    .option('--no-start', "Don't start the services after creating them")
    .option('--pull <string>', 'Pull image before running: always, missing, never')
    .option('--remove-orphans', 'Remove containers for services not defined in the Compose file')
    .addOption(parsedListOption('--scale <scale>', 'Scale SERVICE to NUM instances: SERVICE=NUM', parseScale))
    .addOption(
      parsedOption('-t, --timeout <seconds>', 'Seconds in which containers have to stop', parseWholeNumber),
    )
    .option('--wait', 'Wait for services to be running|healthy. Implies detached mode.')
    .addOption(
      parsedOption(
        '--wait-timeout <seconds>',
        'Maximum duration in seconds to wait for the project to be running|healthy',
        parseWholeNumber,
      ),
    )
    .action((services: readonly string[], flags: UpFlags) => up(context, services, flags));
  return command;
}

function parseScale(text: string): readonly [string, number] {
  const [, service, count] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (service === undefined || count === undefined) throw invalid('it is SERVICE=NUM');
  return [service, Number(count)];
}

async function up(context: ComposeContext, services: readonly string[], flags: UpFlags): Promise<void> {
  checkTogether(flags);
  const project = context.project(services);
  const run = await context.run();
  const options: BringUpOptions = {
    named: services,
    dependencies: flags.deps,
    build: flags.build === undefined ? undefined : flags.build ? 'always' : 'never',
    pull: flags.pull,
    recreate: flags.forceRecreate === true ? 'always' : flags.recreate ? undefined : 'never',
    noStart: !flags.start,
    wait: flags.wait,
    scale: new Map(flags.scale),
    removeOrphans: flags.removeOrphans,
    timeout: flags.timeout,
  };
  if (flags.wait === true && flags.waitTimeout !== undefined) {
    await upInTime(run, project, options, flags.waitTimeout);
    return;
  }
  if (flags.detach === true || flags.wait === true || !flags.start) {
    await bringUp(run, project, options);
    return;
  }
  using interrupts = listenForInterrupts();
  context.cli.exitCode = await upAttached(run, project, {
    ...options,
    lines: context.logLines({ prefix: flags.logPrefix, colour: flags.color }),
    onAttach: (labels) => process.stdout.write(`Attaching to ${labels.join(', ')}\n`),
    nextInterrupt: () => interrupts.next(),
    abortOn:
      flags.abortOnContainerExit === true
        ? 'exit'
        : flags.abortOnContainerFailure === true
          ? 'failure'
          : undefined,
    exitCodeFrom: flags.exitCodeFrom,
  });
}

async function upInTime(
  run: ComposeRun,
  project: Project,
  options: BringUpOptions,
  seconds: number,
): Promise<void> {
  const signal = AbortSignal.timeout(seconds * 1000);
  try {
    await bringUp({ ...run, signal }, project, options);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw unavailable(`application not healthy after ${seconds}s`, { cause: error });
  }
}

function checkTogether(flags: UpFlags): void {
  if (flags.forceRecreate === true && !flags.recreate) {
    throw invalid('--force-recreate and --no-recreate are incompatible');
  }
  const attachedOnly = flags.abortOnContainerExit === true || flags.exitCodeFrom !== undefined;
  if (flags.detach === true && attachedOnly) {
    throw invalid('--detach cannot be combined with --abort-on-container-exit or --exit-code-from');
  }
}
