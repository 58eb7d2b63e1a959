import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option } from 'commander';
import { internal, invalid, parseDuration, systemErrorCode } from '../../../base/index.ts';
import type {
  CloudInit,
  EndpointSettings,
  EngineClient,
  HealthConfig,
  MachineCreated,
  MachineCreateRequest,
  MachineSource,
} from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { endpointSettings, parseNetwork } from '../../container/networks.ts';
import { parsePorts } from '../../container/ports.ts';
import { parsePairs } from '../../filters.ts';
import { CliCommand, listOption, parsedOption, parseWholeNumber } from '../../grammar.ts';
import { showProgress } from '../../output/progress.ts';
import { detachKeysOption } from '../../terminal/detach-keys.ts';
import { leftByKeys } from '../attach.ts';
import { joinConsole } from './console.ts';
import { type HardwareFlags, hardwareOptions } from './hardware-options.ts';
import { callersKeys } from './ssh-keys.ts';

interface MachineFlags extends HardwareFlags {
  readonly from?: string;
  readonly format?: 'qcow2' | 'raw';
  readonly network: readonly string[];
  readonly publish: readonly string[];
  readonly hostname?: string;
  readonly user?: string;
  readonly sshKey: readonly string[];
  readonly package: readonly string[];
  readonly run: readonly string[];
  readonly cloudInit?: string;
  readonly label: readonly string[];
  readonly logDriver?: string;
  readonly logOpt: readonly string[];
  readonly health?: string;
  readonly healthInterval?: number;
  readonly healthTimeout?: number;
  readonly healthRetries?: number;
  readonly healthStartPeriod?: number;
}

interface RunFlags extends MachineFlags {
  readonly console?: boolean;
  readonly detachKeys?: string;
}

const USAGE = '[OPTIONS] [NAME]';

export function createMachineCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Create a new machine from a disk image, or with a Debian system');
  addMachineFlags(command)
    .usage(USAGE)
    .argument('[name]')
    .action(async (name: string | undefined, flags: MachineFlags) => {
      const { Name } = await createMachine(await cli.connect(), await machineRequest(cli, flags), name);
      process.stdout.write(`${Name}\n`);
    });
  return command;
}

export function runMachineCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Create a new machine and start it');
  addMachineFlags(command)
    .usage(USAGE)
    .argument('[name]')
    .option('--console', 'Join its console from the beginning')
    .addOption(detachKeysOption())
    .action(async (name: string | undefined, flags: RunFlags) => {
      const client = await cli.connect();
      const created = await createMachine(client, await machineRequest(cli, flags), name);
      const start = () => client.machines.start(created.Id);
      if (flags.console !== true) {
        await start();
        process.stdout.write(`${created.Name}\n`);
        return;
      }
      const { detachKeys } = flags;
      const options = { stdin: true, ...(detachKeys === undefined ? {} : { detachKeys }) };
      cli.exitCode =
        (await joinConsole(client, created.Id, options, start)) === 'detached' ? leftByKeys() : 0;
    });
  return command;
}

function addMachineFlags(command: CliCommand): CliCommand {
  const text = (flags: string, description: string) => new Option(flags, description);
  for (const option of [
    text('--from <source>', 'What its disk begins as: debian[:RELEASE], FILE, or URL#sha256=HEX'),
    text('--format <string>', 'Format of the disk image').choices(['qcow2', 'raw']),
    ...hardwareOptions(),
    listOption('--network <network>', 'Connect it to a network (name, or name=NET,ip=ADDRESS,alias=NAME)'),
    listOption('-p, --publish <list>', "Publish a machine's port(s) to the host"),
    text('--hostname <string>', 'Its host name (default: its name)'),
    text('--user <string>', 'The user that is made at its first boot (default berth)'),
    listOption('--ssh-key <file>', "Public keys that may log in (default: yours in ~/.ssh, or berth's own)"),
    listOption('--package <list>', 'Packages that are installed at its first boot'),
    listOption('--run <command>', 'Commands that are run at the end of its first boot'),
    text('--cloud-init <file>', 'User data of your own for cloud-init'),
    listOption('-l, --label <list>', 'Set meta data on a machine'),
    text('--log-driver <string>', 'How its console is logged (default json-file)'),
    listOption('--log-opt <list>', 'Log driver options, as max-size=1m'),
    text('--health <url>', 'Check its health: tcp://:PORT, http://:PORT/PATH or ssh://'),
    parsedOption('--health-interval <duration>', 'Time between checks', parseDuration),
    parsedOption('--health-timeout <duration>', 'Maximum time to allow one check', parseDuration),
    parsedOption('--health-retries <int>', 'Failures in a row that make it unhealthy', parseWholeNumber),
    parsedOption('--health-start-period <duration>', 'Time to boot before failures count', parseDuration),
  ]) {
    command.addOption(option);
  }
  return command;
}

/** Shows what goes on meanwhile, and the engine's warnings. */
async function createMachine(
  client: EngineClient,
  request: MachineCreateRequest,
  name: string | undefined,
): Promise<MachineCreated> {
  let created: MachineCreated | undefined;
  for await (const message of showProgress(client.machines.creation(request, { name }), process.stderr)) {
    created = message.created ?? created;
  }
  if (created === undefined) throw internal('the engine did not say what it created');
  for (const warning of created.Warnings) process.stderr.write(`WARNING: ${warning}\n`);
  return created;
}

async function machineRequest(cli: Cli, flags: MachineFlags): Promise<MachineCreateRequest> {
  return {
    Source: parseSource(flags),
    Cpus: flags.cpus,
    Memory: flags.memory,
    Model: flags.machine,
    Firmware: flags.firmware,
    Disks: flags.disk,
    Iso: flags.iso === undefined ? undefined : resolve(flags.iso),
    Networks: networksOf(flags.network),
    Ports: parsePorts(flags.publish, []).bindings,
    CloudInit: await cloudInit(cli, flags),
    RestartPolicy: flags.restart,
    Labels: parsePairs(flags.label),
    Healthcheck: healthcheck(flags),
    StopTimeout: flags.stopTimeout,
    LogConfig: logConfig(flags),
  };
}

function logConfig({ logDriver, logOpt }: MachineFlags): MachineCreateRequest['LogConfig'] {
  if (logDriver === undefined && logOpt.length === 0) return undefined;
  return { Type: logDriver ?? 'json-file', Config: parsePairs(logOpt) };
}

/** "debian", "debian:bookworm", a URL with the sha256 of what it brings, or a file. */
function parseSource({ from, format }: MachineFlags): MachineSource {
  if (from === undefined) return { Kind: 'empty' };
  const [, isDebian, release] = /^(debian)(?::(.+))?$/.exec(from) ?? [];
  if (isDebian !== undefined) return { Kind: 'debian', Release: release };
  if (!/^https?:\/\//.test(from)) return { Kind: 'image', Path: resolve(from), Format: format };
  const [, url = from, sha256] = /^(.*)#sha256[=:]([0-9a-fA-F]{64})$/.exec(from) ?? [];
  if (sha256 !== undefined) return { Kind: 'image', Url: url, Sha256: sha256, Format: format };
  throw invalid(`--from ${from}: what is downloaded needs its sha256`, {
    hint: 'Write it behind the URL, as its publisher names it: URL#sha256=HEX',
  });
}

function networksOf(texts: readonly string[]): Readonly<Record<string, EndpointSettings>> | undefined {
  if (texts.length === 0) return undefined;
  const networks = texts.map(parseNetwork);
  const settings = endpointSettings({ networkAlias: [], networkOpt: [] }, networks);
  return Object.fromEntries(networks.map(({ name }) => [name, settings[name] ?? {}]));
}

async function cloudInit(cli: Cli, flags: MachineFlags): Promise<CloudInit> {
  const { hostname, user, cloudInit: file, package: packages, run, sshKey } = flags;
  const common = { Hostname: hostname };
  if (file !== undefined) {
    const own = [user, ...packages, ...run, ...sshKey].some((value) => value !== undefined);
    if (own) throw invalid('--cloud-init says all that --user, --ssh-key, --package and --run could say');
    return { ...common, UserData: await readText(file) };
  }
  const keys = sshKey.length === 0 ? await callersKeys(cli.env) : await Promise.all(sshKey.map(readKey));
  return { ...common, User: user, SshKeys: keys, Packages: packages, Run: run };
}

async function readKey(file: string): Promise<string> {
  return (await readText(file)).trim();
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') {
      throw invalid(`open ${file}: no such file or directory`, { cause });
    }
    throw cause;
  }
}

function healthcheck(flags: MachineFlags): HealthConfig | undefined {
  const { health, healthInterval, healthTimeout, healthRetries, healthStartPeriod } = flags;
  if (health === undefined) return undefined;
  return {
    Test: ['CMD', health],
    Interval: healthInterval,
    Timeout: healthTimeout,
    Retries: healthRetries,
    StartPeriod: healthStartPeriod,
  };
}
