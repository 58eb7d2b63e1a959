import packageJson from '../../../package.json' with { type: 'json' };
import { formatBinarySize } from '../../base/index.ts';
import type { EngineInfo, MachineHostInfo } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { compileTemplate } from '../output/template.ts';

export function infoCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Display system-wide information');
  command
    .usage('[OPTIONS]')
    .option('-f, --format <string>', "Format output: 'json' or a Go template")
    .action(async ({ format }: { format?: string }) => {
      const template =
        format === undefined ? undefined : compileTemplate(format === 'json' ? '{{json .}}' : format);
      const info = await (await cli.connect()).system.info();
      process.stdout.write(template === undefined ? infoText(info) : `${template.render(info)}\n`);
      for (const warning of info.Warnings ?? []) process.stderr.write(`${warning}\n`);
    });
  return command;
}

/** A name and its value; null: the name alone. */
type Line = readonly [string, string | number | boolean | undefined | null | readonly string[]];

function infoText(info: EngineInfo): string {
  const client: Line[] = [
    [' Version', packageJson.version],
    [' Context', 'default'],
  ];
  return `Client: berth\n${linesText(client)}\nServer:\n${linesText(serverLines(info))}`;
}

function serverLines(info: EngineInfo): Line[] {
  const plugins = Object.entries(info.Plugins ?? {}).filter(
    ([, names]) => names !== null && names.length > 0,
  );
  return [
    [' Containers', info.Containers],
    ['  Running', info.ContainersRunning],
    ['  Paused', info.ContainersPaused],
    ['  Stopped', info.ContainersStopped],
    [' Images', info.Images],
    [' Server Version', info.ServerVersion],
    [' Storage Driver', info.Driver],
    ...(info.DriverStatus ?? []).map(([name, value]): Line => [`  ${name}`, value]),
    [' Logging Driver', info.LoggingDriver],
    [' Cgroup Driver', info.CgroupDriver],
    [' Cgroup Version', info.CgroupVersion],
    [' Plugins', plugins.length === 0 ? undefined : ''],
    ...plugins.map(([kind, names]): Line => [`  ${kind}`, (names ?? []).join(' ')]),
    [
      ' Runtimes',
      Object.keys(info.Runtimes ?? {})
        .sort()
        .join(' ') || undefined,
    ],
    [' Default Runtime', info.DefaultRuntime],
    [' Init Binary', info.InitBinary],
    [' Security Options', info.SecurityOptions?.length ? '' : undefined],
    ...(info.SecurityOptions ?? []).flatMap(securityLines),
    ...machineLines(info),
    [' Kernel Version', info.KernelVersion],
    [' Operating System', info.OperatingSystem],
    [' OSType', info.OSType],
    [' Architecture', info.Architecture],
    [' CPUs', info.NCPU],
    [' Total Memory', formatBinarySize(info.MemTotal)],
    [' Name', info.Name],
    [' ID', info.ID],
    [' Docker Root Dir', info.DockerRootDir],
    [' Debug Mode', info.Debug],
    [' HTTP Proxy', info.HttpProxy || undefined],
    [' HTTPS Proxy', info.HttpsProxy || undefined],
    [' No Proxy', info.NoProxy || undefined],
    [' Labels', info.Labels ?? []],
    [' Experimental', info.ExperimentalBuild],
    [' Insecure Registries', info.RegistryConfig?.InsecureRegistryCIDRs ?? []],
    [' Registry Mirrors', info.RegistryConfig?.Mirrors ?? []],
    [' Live Restore Enabled', info.LiveRestoreEnabled],
  ];
}

/** What berth's virtual machines run on; other engines say nothing. */
function machineLines({ Berth: extension }: EngineInfo): Line[] {
  const machines = extension?.VirtualMachines;
  if (machines === undefined) return [];
  return [
    [' Virtual Machines', ''],
    ...(machines.Architectures ?? [machines]).flatMap((host): Line[] => [
      [`  ${host.Architecture}`, ''],
      ...hostLines(host),
    ]),
  ];
}

function hostLines({
  Accelerator: accelerator,
  AcceleratorReason: reason,
  ...host
}: MachineHostInfo): Line[] {
  return [
    ['   Accelerator', reason === '' ? accelerator : `${accelerator} (${reason})`],
    ['   Hypervisor', host.Hypervisor],
    ['   Guest Kernel', host.Kernel],
    ['   Guest Programs', host.Programs],
  ];
}

/** `name=seccomp,profile=builtin` as a line and its details. */
function securityLines(option: string): Line[] {
  const [name = '', ...details] = option.split(',').map((part) => part.split('='));
  const title = details.length === 0 && name[0] !== 'name' ? option : (name[1] ?? option);
  return [
    [`  ${title}`, null],
    ...details.map(
      ([key = '', value = '']): Line => [`   ${key.charAt(0).toUpperCase()}${key.slice(1)}`, value],
    ),
  ];
}

/** Lists become a line each; what is empty or not known is left out. */
function linesText(lines: readonly Line[]): string {
  return lines
    .flatMap(([name, value]) => {
      if (typeof value === 'object' && value !== null)
        return value.length === 0 ? [] : [`${name}:`, ...value.map((item) => `  ${item}`)];
      if (value === undefined) return [];
      if (value === null) return [name];
      return [`${name}: ${value}`.trimEnd()];
    })
    .map((line) => `${line}\n`)
    .join('');
}
