// Measures berth's networks, and those of peers that are there: what a bridge adds to a start, live changes, throughput, and
// whether many containers or ports make anything slower. Writes its table into bench/README.md. The host's iperf3 and wrk run in
// the containers' network namespaces, so that the programs are the same on every engine.

import { networkInterfaces } from 'node:os';
import { ask, median, medianOf, timed } from './api.ts';
import { startBench } from './bench.ts';
import { docker, type Engine, findEngines } from './engines.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';
import { bandwidth, pageRate, receiveTraffic, servePages } from './traffic.ts';

const PREFIX = 'berth-bench-net';
const STARTS = 15;
const CHANGES = 25;
/** Containers on one bridge, and published ports of one container. */
const CROWD = 500;
/** How many starts are looked at early and late in a crowd. */
const WINDOW = 9;

interface Figures {
  /** Milliseconds of the request that starts a container: without a network, and more than that with one. */
  readonly start: number;
  readonly bridge: number;
  readonly published: number;
  /** Milliseconds. */
  readonly connect: number;
  readonly disconnect: number;
  /** GBit/s. */
  readonly between: number;
  readonly fromHost: number;
  /** Requests a second. */
  readonly pages: number;
  readonly pagesByLoopback: number;
}

interface Crowd {
  /** Milliseconds of the starts around the 5th and the 500th. */
  readonly early: number;
  readonly late: number;
  /** Requests a second with one port published, and with 500 more. */
  readonly onePort: number;
  readonly manyPorts: number;
}

async function main(): Promise<void> {
  await using bench = await startBench();
  const { berthd, image, load } = bench;
  const engines = await findEngines(berthd.host);
  const measured = new Map<string, Figures>();
  for (const engine of engines) {
    await docker(engine, 'pull', '-q', image);
    measured.set(engine.name, await measure(engine, image));
    console.log(engine.name, measured.get(engine.name));
  }
  const [berth] = engines;
  if (berth?.name !== 'berth') throw new Error('berth was not measured');
  const crowd = await measureCrowd(berth, image);
  console.log(crowd);
  const text = table(load, measured, crowd);
  console.log(`\n${text}`);
  writeSection('network', text);
}

async function measure(engine: Engine, image: string): Promise<Figures> {
  const starts = await measureStarts(engine, image);
  const none = medianOf(starts.none);
  return {
    start: none,
    bridge: medianOf(starts.bridge) - none,
    published: medianOf(starts.published) - none,
    ...(await measureChanges(engine, image)),
    ...(await measureTraffic(engine, image)),
  };
}

/** The three kinds in turns, so that whatever else the machine does hits all of them. */
async function measureStarts(engine: Engine, image: string) {
  const published = {
    ExposedPorts: { '80/tcp': {} },
    HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '' }] } },
  };
  const kinds = {
    none: { HostConfig: { NetworkMode: 'none' } },
    bridge: {},
    published,
  };
  const times = { none: [] as number[], bridge: [] as number[], published: [] as number[] };
  for (let round = 0; round <= STARTS; round += 1) {
    for (const kind of ['none', 'bridge', 'published'] as const) {
      const took = await startTime(engine, { Image: image, Cmd: ['sleep', 'infinity'], ...kinds[kind] });
      if (round > 0) times[kind].push(took); // the first one finds caches cold
    }
  }
  return times;
}

async function startTime(engine: Engine, body: object): Promise<number> {
  const name = `${PREFIX}-start`;
  await ask(engine, 'POST', `/containers/create?name=${name}`, body);
  const took = await timed(() => ask(engine, 'POST', `/containers/${name}/start`));
  await ask(engine, 'DELETE', `/containers/${name}?force=1`);
  return took;
}

async function measureChanges(engine: Engine, image: string) {
  await using container = await sleeper(engine, image, 'changed');
  await using network = await userNetwork(engine, 'extra');
  const connect: number[] = [];
  const disconnect: number[] = [];
  const change = (action: string) =>
    timed(() => ask(engine, 'POST', `/networks/${network.name}/${action}`, { Container: container.name }));
  for (let round = 0; round < CHANGES; round += 1) {
    connect.push(await change('connect'));
    disconnect.push(await change('disconnect'));
  }
  return { connect: medianOf(connect), disconnect: medianOf(disconnect) };
}

async function measureTraffic(engine: Engine, image: string) {
  const ports = ['-p', '80', '-p', '5201'];
  await using server = await sleeper(engine, image, 'server', ...ports);
  await using client = await sleeper(engine, image, 'client');
  await using _receiver = await receiveTraffic(server.pid, 5201);
  await using _pages = await servePages(server.pid, 80);
  const [pagePort, trafficPort] = [await server.publishedAt(80), await server.publishedAt(5201)];
  const host = hostAddress();
  const twice = (measureOne: () => Promise<number>) => median(2, measureOne);
  return {
    between: await twice(() => bandwidth(client.pid, server.address, 5201)),
    fromHost: await twice(() => bandwidth('host', host, trafficPort)),
    pages: await twice(() => pageRate(host, pagePort)),
    pagesByLoopback: await twice(() => pageRate('127.0.0.1', pagePort)),
  };
}

async function measureCrowd(engine: Engine, image: string): Promise<Crowd> {
  return { ...(await startMany(engine, image)), ...(await publishMany(engine, image)) };
}

async function startMany(engine: Engine, image: string) {
  await using network = await userNetwork(engine, 'crowd');
  const body = { Image: image, Cmd: ['sleep', 'infinity'], HostConfig: { NetworkMode: network.name } };
  const names = Array.from({ length: CROWD }, (_, index) => `${PREFIX}-${index}`);
  const times: number[] = [];
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => tenAtATime(names, (name) => ask(engine, 'DELETE', `/containers/${name}?force=1`)));
  for (const name of names) {
    await ask(engine, 'POST', `/containers/create?name=${name}`, body);
    times.push(await timed(() => ask(engine, 'POST', `/containers/${name}/start`)));
  }
  return { early: medianOf(times.slice(1, 1 + WINDOW)), late: medianOf(times.slice(-WINDOW)) };
}

/** In turns, with the same server. */
async function publishMany(engine: Engine, image: string) {
  await using server = await sleeper(engine, image, 'one', '-p', '80');
  await using _pages = await servePages(server.pid, 80);
  const port = await server.publishedAt(80);
  const few: number[] = [];
  const many: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    few.push(await pageRate(hostAddress(), port));
    await using _other = await sleeper(
      engine,
      image,
      'many',
      '-p',
      `20000-${20_000 + CROWD - 1}:20000-${20_000 + CROWD - 1}`,
    );
    many.push(await pageRate(hostAddress(), port));
  }
  return { onePort: medianOf(few), manyPorts: medianOf(many) };
}

/** A container that sleeps until it is disposed of. */
async function sleeper(engine: Engine, image: string, title: string, ...options: readonly string[]) {
  const name = `${PREFIX}-${title}`;
  await docker(engine, 'run', '-d', '--name', name, ...options, image, 'sleep', 'infinity');
  const inspect = (format: string) => docker(engine, 'inspect', '-f', format, name);
  return {
    name,
    pid: await inspect('{{.State.Pid}}'),
    address: await inspect('{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'),
    publishedAt: async (port: number) =>
      Number(await inspect(`{{(index (index .NetworkSettings.Ports "${port}/tcp") 0).HostPort}}`)),
    [Symbol.asyncDispose]: () => ask(engine, 'DELETE', `/containers/${name}?force=1`),
  };
}

async function userNetwork(engine: Engine, title: string) {
  const name = `${PREFIX}-${title}`;
  await docker(engine, 'network', 'create', name);
  return { name, [Symbol.asyncDispose]: async () => void (await docker(engine, 'network', 'rm', name)) };
}

async function tenAtATime(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  const left = [...names];
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) await work(name);
    }),
  );
}

/** An address of the host's that is not loopback's: what neighbours would ask. */
function hostAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found === undefined) throw new Error('this host has no address of its own');
  return found.address;
}

function table(load: number, measured: ReadonlyMap<string, Figures>, crowd: Crowd): string {
  const row = (title: string, show: (figures: Figures) => string, goal = '') =>
    `| ${[title, ...[...measured.values()].map(show), goal].join(' | ')} |`;
  const [berth, dockerd] = [measured.get('berth'), measured.get('dockerd')];
  if (berth === undefined) throw new Error('berth was not measured');
  const asMuch = (pick: (figures: Figures) => number) =>
    verdict('≥ dockerd', dockerd && pick(berth) >= 0.97 * pick(dockerd));
  const live = ({ connect, disconnect }: Figures) => connect + disconnect;
  const alone = (title: string, text: string, goal: string) =>
    `| ${[title, text, ...[...measured.keys()].slice(1).map(() => ''), goal].join(' | ')} |`;
  const growth = crowd.late / crowd.early;
  const cost = crowd.manyPorts / crowd.onePort;
  return [
    `- ${machine(load)}`,
    '- medians; starts are the requests of the API alone; iperf3 and wrk (32 connections, a page of 128 bytes) for 3 s each, twice',
    '',
    `| networks | ${[...measured.keys()].join(' | ')} | goal |`,
    `| - |${' - |'.repeat(measured.size + 1)}`,
    row('start without a network (ms)', ({ start }) => start.toFixed(1)),
    row('more on the bridge (ms)', ({ bridge }) => bridge.toFixed(1), verdict('≤ 15', berth.bridge <= 15)),
    row(
      'more on the bridge with a published port (ms)',
      ({ published }) => published.toFixed(1),
      verdict('≤ 20', berth.published <= 20),
    ),
    row('connect a running container (ms)', ({ connect }) => connect.toFixed(1)),
    row('disconnect it (ms)', ({ disconnect }) => disconnect.toFixed(1)),
    row('both (ms)', (figures) => live(figures).toFixed(1), verdict('< 30', live(berth) < 30)),
    row(
      'container to container (GBit/s)',
      ({ between }) => between.toFixed(1),
      asMuch(({ between }) => between),
    ),
    row(
      "host to a published port, by the host's address (GBit/s)",
      ({ fromHost }) => fromHost.toFixed(1),
      asMuch(({ fromHost }) => fromHost),
    ),
    row(
      'the same, pages a second',
      ({ pages }) => pages.toFixed(0),
      asMuch(({ pages }) => pages),
    ),
    row(
      'the same, by 127.0.0.1',
      ({ pagesByLoopback }) => pagesByLoopback.toFixed(0),
      asMuch(({ pagesByLoopback }) => pagesByLoopback),
    ),
    alone(
      `start of the ${CROWD}th container on a bridge, and of the 5th (ms)`,
      `${crowd.late.toFixed(1)} and ${crowd.early.toFixed(1)}`,
      verdict('≤ 1.2 ×', growth <= 1.2),
    ),
    alone(
      `pages a second beside ${CROWD} more published ports, and without`,
      `${crowd.manyPorts.toFixed(0)} and ${crowd.onePort.toFixed(0)}`,
      verdict('≥ 0.97 ×', cost >= 0.97),
    ),
  ].join('\n');
}

await main();
