import { Option } from 'commander';
import { invalid, parseDuration, parseSize } from '../../base/index.ts';
import type { DeviceRate, HostConfig, MountRequest, Ulimit } from '../../client/index.ts';
import { type CliCommand, listOption, parsedListOption, parsedOption, parseWholeNumber } from '../grammar.ts';
import { parseByteRate, parseDeviceWeight, parseOperationRate } from './devices.ts';
import { type LimitFlags, limitOptions } from './limits.ts';
import { parseMount } from './mount-option.ts';

export type PullPolicy = 'always' | 'missing' | 'never';

/** The options that `run` and `create` share, as parsed. Sizes are bytes. */
export interface ContainerFlags extends LimitFlags {
  readonly annotation: readonly string[];
  readonly blkioWeightDevice: NonNullable<HostConfig['BlkioWeightDevice']>;
  readonly cgroupParent?: string;
  readonly cpuRtPeriod?: number;
  readonly cpuRtRuntime?: number;
  readonly deviceCgroupRule: readonly string[];
  readonly deviceReadBps: readonly DeviceRate[];
  readonly deviceReadIops: readonly DeviceRate[];
  readonly deviceWriteBps: readonly DeviceRate[];
  readonly deviceWriteIops: readonly DeviceRate[];
  readonly gpus?: string;
  readonly isolation?: string;
  readonly kernel?: string;
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  readonly storageOpt: readonly string[];
  readonly volumeDriver?: string;
  readonly addHost: readonly string[];
  readonly attach: readonly string[];
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly cgroupns?: string;
  readonly cidfile?: string;
  readonly device: readonly string[];
  readonly dns: readonly string[];
  readonly dnsOption: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly domainname?: string;
  readonly entrypoint?: string;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly expose: readonly string[];
  readonly groupAdd: readonly string[];
  readonly healthCmd?: string;
  readonly healthInterval?: number;
  readonly healthRetries?: number;
  readonly healthStartInterval?: number;
  readonly healthStartPeriod?: number;
  readonly healthTimeout?: number;
  readonly hostname?: string;
  readonly init?: boolean;
  readonly interactive?: boolean;
  readonly networkOpt: readonly string[];
  readonly ip?: string;
  readonly ip6?: string;
  readonly ipc?: string;
  readonly label: readonly string[];
  readonly labelFile: readonly string[];
  readonly link: readonly string[];
  readonly logDriver?: string;
  readonly logOpt: readonly string[];
  readonly macAddress?: string;
  readonly mount: readonly MountRequest[];
  readonly name?: string;
  readonly net: readonly string[];
  readonly network: readonly string[];
  readonly networkAlias: readonly string[];
  /** True unless --no-healthcheck was given. */
  readonly healthcheck: boolean;
  readonly oomScoreAdj?: number;
  readonly pid?: string;
  readonly platform?: string;
  readonly privileged?: boolean;
  readonly publish: readonly string[];
  readonly publishAll?: boolean;
  readonly pull: PullPolicy;
  readonly quiet?: boolean;
  readonly readOnly?: boolean;
  readonly rm?: boolean;
  readonly runtime?: string;
  readonly securityOpt: readonly string[];
  readonly shmSize?: number;
  readonly stopMode?: string;
  readonly stopSignal?: string;
  readonly stopTimeout?: number;
  readonly sysctl: readonly string[];
  readonly tmpfs: readonly string[];
  readonly tty?: boolean;
  readonly ulimit: readonly Ulimit[];
  readonly user?: string;
  readonly userns?: string;
  readonly uts?: string;
  readonly volume: readonly string[];
  readonly volumesFrom: readonly string[];
  readonly workdir?: string;
}

/** Whether a stop signal that PID 1 cannot receive goes to the container's other processes, or Docker's way. */
function parseStopMode(text: string): string {
  if (text === 'container' || text === 'pid1') return text;
  throw invalid('it must be "container" or "pid1"');
}

/** Adds the options of {@link ContainerFlags} to a command. */
export function addContainerFlags(command: CliCommand): CliCommand {
  for (const option of containerOptions()) command.addOption(option);
  return command;
}

function containerOptions(): Option[] {
  const text = (flags: string, description: string) => new Option(flags, description);
  return [
    ...limitOptions(),
    listOption(
      '--annotation <list>',
      'Add an annotation to the container (passed through to the OCI runtime)',
    ),
    parsedListOption(
      '--blkio-weight-device <list>',
      'Block IO weight (relative device weight)',
      parseDeviceWeight,
    ),
    text('--cgroup-parent <string>', 'Optional parent cgroup for the container'),
    parsedOption('--cpu-rt-period <int>', 'Limit CPU real-time period in microseconds', parseWholeNumber),
    parsedOption('--cpu-rt-runtime <int>', 'Limit CPU real-time runtime in microseconds', parseWholeNumber),
    listOption('--device-cgroup-rule <list>', 'Add a rule to the cgroup allowed devices list'),
    parsedListOption(
      '--device-read-bps <list>',
      'Limit read rate (bytes per second) from a device',
      parseByteRate,
    ),
    parsedListOption(
      '--device-read-iops <list>',
      'Limit read rate (IO per second) from a device',
      parseOperationRate,
    ),
    parsedListOption(
      '--device-write-bps <list>',
      'Limit write rate (bytes per second) to a device',
      parseByteRate,
    ),
    parsedListOption(
      '--device-write-iops <list>',
      'Limit write rate (IO per second) to a device',
      parseOperationRate,
    ),
    text('--gpus <gpu-request>', "GPU devices to add to the container ('all' to pass all GPUs)"),
    text('--isolation <string>', 'Container isolation technology ("default", "vm")'),
    text('--kernel <path>', "Kernel of a virtual machine, a file on the engine's host"),
    parsedOption(
      '--memory-swappiness <int>',
      'Tune container memory swappiness (0 to 100)',
      parseWholeNumber,
    ),
    text('--oom-kill-disable', 'Disable OOM Killer'),
    listOption('--storage-opt <list>', 'Storage driver options for the container'),
    text('--volume-driver <string>', 'Optional volume driver for the container'),
    listOption('--add-host <list>', 'Add a custom host-to-IP mapping (host:ip)'),
    listOption('-a, --attach <list>', 'Attach to STDIN, STDOUT or STDERR'),
    listOption('--cap-add <list>', 'Add Linux capabilities'),
    listOption('--cap-drop <list>', 'Drop Linux capabilities'),
    text('--cgroupns <string>', 'Cgroup namespace to use (host|private)'),
    text('--cidfile <string>', 'Write the container ID to the file'),
    listOption('--device <list>', 'Add a host device to the container'),
    listOption('--dns <list>', 'Set custom DNS servers'),
    listOption('--dns-option <list>', 'Set DNS options'),
    listOption('--dns-search <list>', 'Set custom DNS search domains'),
    text('--domainname <string>', 'Container NIS domain name'),
    text('--entrypoint <string>', 'Overwrite the default ENTRYPOINT of the image'),
    listOption('-e, --env <list>', 'Set environment variables'),
    listOption('--env-file <list>', 'Read in a file of environment variables'),
    listOption('--expose <list>', 'Expose a port or a range of ports'),
    listOption('--group-add <list>', 'Add additional groups to join'),
    text('--health-cmd <string>', 'Command to run to check health'),
    parsedOption('--health-interval <duration>', 'Time between running the check', parseDuration),
    parsedOption(
      '--health-retries <int>',
      'Consecutive failures needed to report unhealthy',
      parseWholeNumber,
    ),
    parsedOption(
      '--health-start-interval <duration>',
      'Time between running the check during the start period',
      parseDuration,
    ),
    parsedOption('--health-start-period <duration>', 'Start period before retries count', parseDuration),
    parsedOption('--health-timeout <duration>', 'Maximum time to allow one check to run', parseDuration),
    text('-h, --hostname <string>', 'Container host name'),
    text('--init', 'Run an init inside the container that forwards signals and reaps processes'),
    text('-i, --interactive', 'Keep STDIN open even if not attached'),
    listOption('--network-opt <list>', 'Slow the first network down: rate=10mbit, delay=50ms'),
    text('--ip <string>', 'IPv4 address (e.g., 172.30.100.104)'),
    text('--ip6 <string>', 'IPv6 address (e.g., 2001:db8::33)'),
    text('--ipc <string>', 'IPC mode to use'),
    listOption('-l, --label <list>', 'Set meta data on a container'),
    listOption('--label-file <list>', 'Read in a line delimited file of labels'),
    listOption('--link <list>', 'Add link to another container'),
    text('--log-driver <string>', 'Logging driver for the container'),
    listOption('--log-opt <list>', 'Log driver options'),
    text('--mac-address <string>', 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
    parsedListOption('--mount <mount>', 'Attach a filesystem mount to the container', parseMount),
    text('--name <string>', 'Assign a name to the container'),
    listOption('--network <list>', 'Connect a container to a network'),
    listOption('--net <list>', 'Connect a container to a network').hideHelp(),
    listOption('--network-alias <list>', 'Add network-scoped alias for the container'),
    text('--no-healthcheck', 'Disable any container-specified HEALTHCHECK'),
    parsedOption('--oom-score-adj <int>', "Tune host's OOM preferences (-1000 to 1000)", parseWholeNumber),
    text('--pid <string>', 'PID namespace to use'),
    text('--platform <string>', 'Set platform if the engine has several'),
    text('--privileged', 'Give extended privileges to this container'),
    listOption('-p, --publish <list>', "Publish a container's port(s) to the host"),
    text('-P, --publish-all', 'Publish all exposed ports to random ports'),
    parsedOption(
      '--pull <string>',
      'Pull image before running ("always", "missing", "never")',
      parsePullPolicy,
    ).default('missing'),
    text('-q, --quiet', 'Suppress the pull output'),
    text('--read-only', "Mount the container's root filesystem as read only"),
    text('--rm', 'Automatically remove the container and its anonymous volumes when it exits'),
    text('--runtime <string>', 'Runtime to use for this container'),
    listOption('--security-opt <list>', 'Security options'),
    parsedOption('--shm-size <bytes>', 'Size of /dev/shm', parseSize),
    parsedOption('--stop-mode <string>', 'Whom a stop may signal ("container", "pid1")', parseStopMode),
    text('--stop-signal <string>', 'Signal to stop the container'),
    parsedOption('--stop-timeout <int>', 'Timeout (in seconds) to stop a container', parseWholeNumber),
    listOption('--sysctl <list>', 'Sysctl options'),
    listOption('--tmpfs <list>', 'Mount a tmpfs directory'),
    text('-t, --tty', 'Allocate a pseudo-TTY'),
    parsedListOption('--ulimit <ulimit>', 'Ulimit options', parseUlimit),
    text('-u, --user <string>', 'Username or UID (format: <name|uid>[:<group|gid>])'),
    text('--userns <string>', 'User namespace to use'),
    text('--uts <string>', 'UTS namespace to use'),
    listOption('-v, --volume <list>', 'Bind mount a volume'),
    listOption('--volumes-from <list>', 'Mount volumes from the specified container(s)'),
    text('-w, --workdir <string>', 'Working directory inside the container'),
  ];
}

function parsePullPolicy(text: string): PullPolicy {
  if (text === 'always' || text === 'missing' || text === 'never') return text;
  throw invalid('it is "always", "missing" or "never"');
}

/** `NAME=SOFT[:HARD]`. */
function parseUlimit(text: string): Ulimit {
  const [, name, soft, hard = soft] = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === undefined) throw invalid('a limit is name=soft[:hard], like nofile=1024:2048');
  if (Number(soft) > Number(hard) && hard !== '-1') throw invalid('the soft limit is above the hard limit');
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}
