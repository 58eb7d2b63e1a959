import { createHash } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { run, runChecked } from '../../src/base/index.ts';
import type { Instance } from '../engine/instance.ts';

/** A container as the API tells of it: what of it the kernel must hold. */
export interface Inspected {
  readonly Id: string;
  /** "/web" */
  readonly Name: string;
  readonly HostConfig: {
    readonly NetworkMode: string;
    readonly PortBindings: Readonly<Record<string, unknown>>;
  };
  readonly State: { readonly Status: string; readonly Pid: number };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
    readonly Ports: Readonly<Record<string, readonly { HostIp: string; HostPort: string }[] | null>>;
  };
}

/** All containers of an instance, living or not. */
export async function inspectAll(instance: Instance): Promise<Inspected[]> {
  const list = (await answer(instance, 'GET /containers/json?all=1')) as { Id: string }[];
  return await Promise.all(
    list.map(async ({ Id }) => (await answer(instance, `GET /containers/${Id}/json`)) as Inspected),
  );
}

/**
 * What this machine holds for an instance beside what its containers need, and what they need and it lacks: processes,
 * mounts, network namespaces, control groups, interfaces, addresses, firewall rules, files of the exec root. Asked while no
 * operation is going on; what a killed berthd's children hold takes a moment to go.
 */
export async function hostDifferences(instance: Instance): Promise<string[]> {
  const living = (await inspectAll(instance)).filter(({ State }) => State.Status === 'running');
  const bridges = ((await answer(instance, 'GET /networks')) as { Driver: string }[]).filter(
    ({ Driver }) => Driver === 'bridge',
  ).length;
  const processes = await readProcesses();
  const links = await linksOf(instance);
  return [
    ...processDifferences(instance, living, processes),
    ...(await namespaceDifferences(instance, living, processes, links)),
    ...(await cgroupDifferences(instance, living)),
    ...(await mountDifferences(instance)),
    ...(await execRootDifferences(instance, living)),
    ...linkDifferences(links, living, bridges),
    ...(await ruleDifferences(instance, links, living)),
    ...(await portDifferences(instance, living, processes)),
    ...(await insideDifferences(living)),
  ];
}

async function answer(instance: Instance, line: string): Promise<unknown> {
  const { status, body } = await instance.api(line);
  if (status !== 200) throw new Error(`${line}: ${status} ${JSON.stringify(body)}`);
  return body;
}

/** Names an instance on the host: eight digits that its data root decides. */
const nameOf = ({ dataRoot }: Instance) => createHash('sha256').update(dataRoot).digest('hex').slice(0, 8);

const differ = (what: string, found: readonly unknown[], expected: number | readonly unknown[]) => {
  const wanted = typeof expected === 'number' ? expected : expected.length;
  const same =
    typeof expected === 'number'
      ? found.length === expected
      : [...found].sort().join() === [...expected].sort().join();
  return same
    ? []
    : [`${what}: ${wanted} expected (${JSON.stringify(expected)}), found ${JSON.stringify(found)}`];
};

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly args: string;
}

/** Zombies are none: their parent may not have looked yet. */
async function readProcesses(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid): Promise<Process[]> => {
      const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
        .replaceAll('\0', ' ')
        .trim();
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const parent = Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
      return args === '' ? [] : [{ pid, parent, args }];
    }),
  );
  return found.flat();
}

/** The programs that berthd and the launcher start for a moment; without a parent nobody waits for them. */
const SHORT_LIVED = /^(\S*\/)?(berth-fs|berth-connect|crun|runc|ip|nft|nsenter|tc) /;

function processDifferences(instance: Instance, living: readonly Inspected[], processes: readonly Process[]) {
  const of = (program: string) =>
    processes.filter(({ args }) => args.includes(`/${program} `) && args.includes(`${instance.execRoot}/`));
  const pids = (list: readonly Process[]) => list.map(({ pid }) => pid);
  const orphans = processes.filter(({ parent, args }) => parent === 1 && SHORT_LIVED.test(args));
  const alive = new Set(pids(processes));
  return [
    ...differ('supervisors', pids(of('berth-shim')), living.length),
    ...differ('launchers', pids(of('berth-launcher')), 1),
    ...differ('orphaned processes', orphans, 0),
    ...living
      .filter(({ State }) => !alive.has(State.Pid))
      .map(({ Id }) => `container ${Id.slice(0, 12)} has no process`),
  ];
}

/** The launcher holds its own namespace, those of containers and those that wait with a pair which is plugged in nowhere. */
async function namespaceDifferences(
  instance: Instance,
  living: readonly Inspected[],
  processes: readonly Process[],
  links: readonly Link[],
): Promise<string[]> {
  const launcher = processes.find(({ args }) =>
    args.endsWith(`/berth-launcher ${instance.execRoot}/l.sock ${instance.execRoot}`),
  );
  if (launcher === undefined) return [];
  const held = (await descriptorsOf(launcher.pid)).filter(isNamespace);
  const own = await readlink('/proc/self/ns/net');
  const ofContainers = await Promise.all(
    living.map(({ State }) => readlink(`/proc/${State.Pid}/ns/net`).catch(() => '')),
  );
  const waiting = links.filter((link) => link.kind === 'veth' && link.master === undefined).length;
  const others = held.filter((namespace) => namespace !== own && !ofContainers.includes(namespace));
  const children = processes.filter(
    ({ parent, args }) => parent === instance.daemon.pid && SHORT_LIVED.test(args),
  );
  const kept = await Promise.all(children.map(({ pid }) => descriptorsOf(pid)));
  return [
    ...differ('spare network namespaces', others, waiting),
    ...differ("network namespaces that berthd's children hold", kept.flat().filter(isNamespace), 0),
  ];
}

const isNamespace = (target: string) => target.startsWith('net:');

/** What a process has open. */
async function descriptorsOf(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  return await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
}

/** Below the instance's own in each hierarchy: one for each container. */
async function cgroupDifferences(instance: Instance, living: readonly Inspected[]): Promise<string[]> {
  const { stdout } = await run('find', [
    ...['/sys/fs/cgroup', '-mindepth', '2', '-maxdepth', '3'],
    ...['-type', 'd', '-path', `*/berth-${nameOf(instance)}/*`],
  ]);
  const ids = new Set(living.map(({ Id }) => Id));
  const found = stdout.toString().split('\n').filter(Boolean);
  return found.filter((path) => !ids.has(path.slice(-64))).map((path) => `cgroup ${path}`);
}

/** Nothing of an instance shows in the host's table, and its launcher joins roots for a moment only. */
async function mountDifferences({ dataRoot, execRoot }: Instance): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const launcher = Number(await readFile(`${execRoot}/l.pid`, 'utf8'));
  const joined = (await readdir(`/proc/${launcher}/root${execRoot}/m`).catch(() => [])).filter((name) =>
    name.startsWith('join-'),
  );
  return [
    ...lines.filter((line) => line.includes(` ${dataRoot}/`) || line.includes(` ${execRoot}/`)),
    ...joined,
  ].map((mount) => `mount ${mount}`);
}

async function execRootDifferences({ execRoot }: Instance, living: readonly Inspected[]): Promise<string[]> {
  const names = (folder: string) => readdir(`${execRoot}/${folder}`);
  const ids = living.map(({ Id }) => Id);
  return [
    ...differ(
      'sockets of supervisors',
      await names('s'),
      ids.map((id) => `${id.slice(0, 16)}.sock`),
    ),
    ...differ('sockets of file workers', await names('f'), []),
    ...differ('folders of the OCI runtime', await names('runtime'), ids),
  ];
}

interface Link {
  readonly name: string;
  readonly kind: string;
  readonly master: string | undefined;
  readonly addresses: readonly string[];
}

interface IpLink {
  readonly ifname: string;
  readonly master?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info: readonly { readonly family: string; readonly local: string }[];
}

async function linksOf(instance: Instance): Promise<Link[]> {
  const { stdout } = await runChecked('ip', ['-j', '-d', 'addr']);
  const name = nameOf(instance);
  return (JSON.parse(stdout.toString()) as IpLink[])
    .filter(({ ifname }) => ifname.startsWith(`v${name}`) || ifname.startsWith(`br${name}`))
    .map(({ ifname, master, linkinfo, addr_info }) => ({
      name: ifname,
      kind: linkinfo?.info_kind ?? '',
      master,
      addresses: addr_info.filter(({ family }) => family === 'inet').map(({ local }) => local),
    }));
}

function linkDifferences(links: readonly Link[], living: readonly Inspected[], bridges: number): string[] {
  const endpoints = living.flatMap(({ NetworkSettings }) =>
    Object.values(NetworkSettings.Networks).filter(({ IPAddress }) => IPAddress !== ''),
  ).length;
  const plugged = links.filter(({ kind, master }) => kind === 'veth' && master !== undefined);
  const ofBridges = links.filter(({ kind }) => kind === 'bridge');
  const namesOf = (list: readonly Link[]) => list.map((link) => link.name);
  return [
    ...differ('plugged pairs', namesOf(plugged), endpoints),
    ...differ('bridges', namesOf(ofBridges), bridges),
    ...ofBridges.flatMap(({ name, addresses }) => differ(`addresses of ${name}`, addresses, 1)),
  ];
}

/** The elements of the instance's table: its bridges, and its published ports. */
async function ruleDifferences(
  instance: Instance,
  links: readonly Link[],
  living: readonly Inspected[],
): Promise<string[]> {
  const { stdout } = await runChecked('nft', ['-j', 'list', 'table', 'inet', `berth_${nameOf(instance)}`]);
  const { nftables } = JSON.parse(stdout.toString()) as {
    nftables: { set?: NftSet; map?: NftSet }[];
  };
  const sets = new Map(
    nftables.flatMap(({ set, map }) =>
      [set, map].flatMap((each) => (each === undefined ? [] : [[each.name, each.elem ?? []] as const])),
    ),
  );
  const portsIn = (name: string) =>
    (sets.get(name) ?? []).map((element) => numberIn(element)).filter((port) => port !== undefined);
  const published = living.flatMap(({ NetworkSettings }) =>
    Object.values(NetworkSettings.Ports).flatMap((places) => places ?? []),
  );
  const portsAt = (ip: string) =>
    published.filter(({ HostIp }) => HostIp === ip).map(({ HostPort }) => Number(HostPort));
  const bridges = links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name);
  return [
    ...differ('bridges in the rules', sets.get('bridges') ?? [], bridges),
    ...differ('ports on loopback in the rules', portsIn('loopback_only'), portsAt('127.0.0.1')),
    ...differ('ports in the rules', portsIn('port_at_any_address'), portsAt('0.0.0.0')),
  ];
}

interface NftSet {
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/** The host port in an element of a set, or in the key of a map's: the first number. */
function numberIn(element: unknown): number | undefined {
  if (typeof element === 'number') return element;
  if (typeof element !== 'object' || element === null) return undefined;
  for (const part of Object.values(element)) {
    const number = numberIn(part);
    if (number !== undefined) return number;
  }
  return undefined;
}

/** The supervisors listen at what is published, and at nothing else. */
async function portDifferences(
  { execRoot }: Instance,
  living: readonly Inspected[],
  processes: readonly Process[],
): Promise<string[]> {
  const listening = await listeningSockets();
  const supervisors = processes.filter(
    ({ args }) => args.includes('/berth-shim ') && args.includes(`${execRoot}/`),
  );
  const held = await Promise.all(supervisors.map(({ pid }) => descriptorsOf(pid)));
  const found = held.flat().flatMap((target) => listening.get(target) ?? []);
  const expected = living.flatMap(({ NetworkSettings }) =>
    Object.entries(NetworkSettings.Ports).flatMap(([port, places]) =>
      port.endsWith('/tcp') ? (places ?? []).map(({ HostPort }) => Number(HostPort)) : [],
    ),
  );
  return differ('ports that supervisors listen at', found, expected);
}

/** TCP sockets of this network namespace that wait for connections: "socket:[inode]" with the port. */
async function listeningSockets(): Promise<Map<string, number>> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/self/net/${name}`, 'utf8')));
  return new Map(
    tables.flatMap((table) =>
      table.split('\n').flatMap((line) => {
        const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
        return state === '0A'
          ? [[`socket:[${inode}]`, Number.parseInt(local.split(':')[1] ?? '', 16)] as const]
          : [];
      }),
    ),
  );
}

/** A container has the addresses that it is said to have, and no others. */
async function insideDifferences(living: readonly Inspected[]): Promise<string[]> {
  const apart = living.filter(({ HostConfig }) => HostConfig.NetworkMode !== 'host');
  const differences = await Promise.all(
    apart.map(async ({ Name, State, NetworkSettings }) => {
      const { stdout } = await run('nsenter', [`--net=/proc/${State.Pid}/ns/net`, 'ip', '-j', '-4', 'addr']);
      const links = JSON.parse(stdout.toString() || '[]') as IpLink[];
      const found = links
        .filter(({ ifname }) => ifname !== 'lo')
        .flatMap(({ addr_info }) => addr_info.map(({ local }) => local));
      const expected = Object.values(NetworkSettings.Networks)
        .map(({ IPAddress }) => IPAddress)
        .filter((address) => address !== '');
      return differ(`addresses in ${Name}`, found, expected);
    }),
  );
  return differences.flat();
}
