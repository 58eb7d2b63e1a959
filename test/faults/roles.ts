import type { Instance } from '../engine/instance.ts';
import { Refused, type Role, request, type Step } from './actor.ts';
import type { Inspected } from './host-state.ts';

const SLEEP = { Image: 'busybox', Cmd: ['sleep', '1000'], StopSignal: 'SIGKILL' };

const PORTS = { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }], '81/tcp': [{}] };

/** Creates, starts, uses, stops and removes a container with two published ports, or in another network mode without any. */
export function lifecycle(container: string, NetworkMode = 'bridge'): Role {
  const at = (path: string) => `/containers/${container}${path}`;
  const step = (line: string, ...outcomes: string[]): Step => ({
    name: line,
    send: async (instance) => void (await request(instance, line)),
    outcomes,
  });
  const create: Step = {
    name: 'create',
    send: async (instance) => {
      const HostConfig = { NetworkMode, PortBindings: NetworkMode === 'bridge' ? PORTS : {} };
      await request(instance, `POST /containers/create?name=${container}`, { ...SLEEP, HostConfig });
    },
    outcomes: ['created'],
  };
  const exec: Step = {
    name: 'exec',
    send: (instance) => expectOutput(instance, container),
    outcomes: ['running'],
  };
  const look = (state: string) => step(`GET ${at('/archive?path=/etc/passwd')}`, state);
  const start = step(`POST ${at('/start')}`, 'running');
  const remove = step(`DELETE ${at('')}`, 'absent');
  const choices: Record<string, readonly Step[]> = {
    absent: [create],
    created: [start, start, look('created'), remove],
    running: [
      exec,
      exec,
      look('running'),
      step(`POST ${at('/stop?t=0')}`, 'exited'),
      step(`POST ${at('/restart?t=0')}`, 'exited', 'running'),
      step(`DELETE ${at('?force=1')}`, 'exited', 'absent'),
    ],
    exited: [start, look('exited'), remove],
  };
  return {
    container,
    choices: (state) => choices[state] ?? [],
    see: (seen) => seen?.State.Status ?? 'absent',
  };
}

/** Runs a command in a container; what it prints must arrive, unless berthd dies. */
async function expectOutput(instance: Instance, container: string): Promise<void> {
  const command = { AttachStdout: true, Cmd: ['echo', 'inside'] };
  const { Id } = (await request(instance, `POST /containers/${container}/exec`, command)) as { Id: string };
  const output = await request(instance, `POST /exec/${Id}/start`, {});
  const { ExitCode, Running } = (await request(instance, `GET /exec/${Id}/json`)) as {
    ExitCode: number;
    Running: boolean;
  };
  if (Running || ExitCode !== 0 || !String(output).includes('inside')) {
    throw new Refused(`exec printed ${JSON.stringify(output)} and ended with ${ExitCode}`);
  }
}

/** What a client of networks and ports wants its container to have. */
interface Wanted {
  readonly isRunning: boolean;
  readonly networks: readonly string[];
  readonly ports: readonly string[];
}

/** Moves a container between networks, and publishes and withdraws its ports, while it runs and while it does not. */
export function moving(container: string, networks: readonly string[]): Role {
  const at = (path: string) => `/containers/${container}${path}`;
  const [first = ''] = networks;
  const create: Step = {
    name: 'create',
    send: async (instance) => {
      await request(instance, `POST /containers/create?name=${container}`, {
        ...SLEEP,
        HostConfig: { NetworkMode: first },
      });
    },
    outcomes: [wordsOf({ isRunning: false, networks: [first], ports: [] })],
  };
  const step = (name: string, line: string, body: object | undefined, ...after: Wanted[]): Step => ({
    name,
    send: async (instance) => void (await request(instance, line, body)),
    outcomes: after.map(wordsOf),
  });
  const choices = (state: Wanted): Step[] => {
    const { isRunning, networks: connected, ports } = state;
    const toggleRunning = isRunning
      ? step('stop', `POST ${at('/stop?t=0')}`, undefined, { ...state, isRunning: false })
      : step('start', `POST ${at('/start')}`, undefined, { ...state, isRunning: true });
    const changeNetworks = networks.flatMap((name) => {
      const isConnected = connected.includes(name);
      if (isConnected && connected.length === 1) return [];
      const after = isConnected ? connected.filter((other) => other !== name) : [...connected, name];
      const verb = isConnected ? 'disconnect' : 'connect';
      return [
        step(
          `${verb} ${name}`,
          `POST /networks/${name}/${verb}`,
          { Container: container },
          { ...state, networks: after },
        ),
      ];
    });
    const changePorts = ['80/tcp', '81/tcp', '82/udp'].map((port) => {
      const isPublished = ports.includes(port);
      const after = isPublished ? ports.filter((other) => other !== port) : [...ports, port];
      const place = port === '81/tcp' ? {} : { HostIp: '127.0.0.1' };
      const body = isPublished ? { PublishRemove: { [port]: [] } } : { PublishAdd: { [port]: [place] } };
      return step(`${isPublished ? 'withdraw' : 'publish'} ${port}`, `POST ${at('/update')}`, body, {
        ...state,
        ports: after,
      });
    });
    // Changes of a container that runs are what this is about.
    return isRunning
      ? [toggleRunning, ...changeNetworks, ...changePorts, ...changeNetworks, ...changePorts]
      : [toggleRunning, toggleRunning, toggleRunning, ...changeNetworks, ...changePorts];
  };
  return {
    container,
    choices: (state) => (state === 'absent' ? [create] : choices(JSON.parse(state) as Wanted)),
    see: (seen) => (seen === undefined ? 'absent' : wordsOf(wantedOf(seen))),
  };
}

function wordsOf({ isRunning, networks, ports }: Wanted): string {
  return JSON.stringify({ isRunning, networks: networks.toSorted(), ports: ports.toSorted() });
}

/** As the container is: one that runs has the ports that it really has, not those that it asks for. */
function wantedOf({ State, HostConfig, NetworkSettings }: Inspected): Wanted {
  const isRunning = State.Status === 'running';
  const asked = Object.keys(HostConfig.PortBindings);
  const open = Object.entries(NetworkSettings.Ports).flatMap(([port, places]) =>
    places === null || places.length === 0 ? [] : [port],
  );
  const ports =
    !isRunning || asked.toSorted().join() === open.toSorted().join()
      ? asked
      : [`${asked} asked for`, `${open} open`];
  return { isRunning, networks: Object.keys(NetworkSettings.Networks), ports };
}
