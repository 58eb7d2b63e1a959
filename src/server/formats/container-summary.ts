import { humanDuration } from '../../base/index.ts';
import {
  type ContainerRecord,
  type ContainerSizes,
  type ContainerState,
  commandOf,
  type Health,
  isActive,
  standstillReason,
} from '../../engine/index.ts';
import { mountPoints, type NetworkFacts, networks, sizeMembers } from './container.ts';
import { networkMode } from './host-config.ts';

/** What a row needs beside the record. */
export interface SummaryFacts extends NetworkFacts {
  /** Undefined where nothing checks it. */
  readonly health: Health | undefined;
  /** The image's name as lists show it; its id when the name was moved to another image. */
  readonly imageName: string;
  /** Only where they were asked for. */
  readonly sizes?: ContainerSizes;
}

/** One row of GET /containers/json (Engine API, ContainerSummary). */
export function containerSummary(record: ContainerRecord, facts: SummaryFacts) {
  return {
    ...beforeStatus(record, facts),
    Status: statusText(record.state, facts.health),
    ...afterStatus(record, facts),
  };
}

function beforeStatus(record: ContainerRecord, facts: SummaryFacts) {
  const { id, name, imageId, config, state, createdAt } = record;
  return {
    Id: id,
    Names: [`/${name}`],
    Image: facts.imageName,
    ImageID: imageId,
    Command: commandOf(config).map(quoted).join(' '),
    Created: Math.floor(Date.parse(createdAt) / 1000),
    Ports: portList(record),
    ...sizeMembers(facts),
    Labels: config.labels,
    State: state.status,
  };
}

function afterStatus(record: ContainerRecord, facts: SummaryFacts) {
  return {
    HostConfig: { NetworkMode: networkMode(record.host.networkMode) },
    NetworkSettings: { Networks: networks(record, facts) },
    Mounts: mountPoints(record),
    ...reasonMember(record.state),
  };
}

/**
 * Rows as JSON, for lists that are asked for again and again. A record never changes, a change makes a new one: so what a
 * row has of it is formatted once, and only the status, which has the time in it, each time.
 */
export class SummaryTexts {
  #rows = new WeakMap<ContainerRecord, RowText>();
  #networks = '';

  /** `networksKey` names all that the facts tell of networks: with another one, nothing that is kept holds. */
  row(record: ContainerRecord, facts: Omit<SummaryFacts, 'sizes'>, networksKey: string): string {
    if (networksKey !== this.#networks) this.#rows = new WeakMap();
    this.#networks = networksKey;
    let row = this.#rows.get(record);
    if (row === undefined || row.imageName !== facts.imageName) {
      row = {
        imageName: facts.imageName,
        before: JSON.stringify(beforeStatus(record, facts)).slice(0, -1),
        after: JSON.stringify(afterStatus(record, facts)).slice(1),
      };
      this.#rows.set(record, row);
    }
    return `${row.before},"Status":${JSON.stringify(statusText(record.state, facts.health))},${row.after}`;
  }
}

interface RowText {
  readonly imageName: string;
  readonly before: string;
  readonly after: string;
}

/** An extension: why it ended, was not started or stands still, in a few words; `Status` is Docker's to the letter. */
function reasonMember(state: ContainerState) {
  const reason = reasonOf(state);
  return reason === undefined ? {} : { Berth: { Reason: reason } };
}

/** Why it does not run or stands still, in a few words. */
export function reasonOf(state: ContainerState): string | undefined {
  if (state.status === 'created') return state.error?.message;
  return isActive(state) ? standstillReason(state) : state.reason;
}

/** As `docker ps` shows an argument: quoted where a shell would need it. */
function quoted(argument: string): string {
  return /[\s"']/.test(argument) ? `'${argument.replaceAll("'", `'"'"'`)}'` : argument;
}

/** "Up 3 minutes", "Exited (0) 2 hours ago", as `docker ps` words it. */
export function statusText(state: ContainerState, health?: Health, now = Date.now()): string {
  const since = (time: string) => humanDuration(now - Date.parse(time));
  switch (state.status) {
    case 'created':
      return 'Created';
    case 'running':
      return `Up ${since(state.startedAt)}${healthText(health)}`;
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

function healthText(health: Health | undefined): string {
  if (health === undefined) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}

/** Published ports first by address, then the exposed ones that are not. */
export function portList({ state, config }: ContainerRecord) {
  if (!isActive(state)) return [];
  const published = state.ports.map((port) => ({
    IP: port.hostIp,
    PrivatePort: port.containerPort,
    PublicPort: port.hostPort,
    Type: port.protocol,
  }));
  const known = new Set(published.map(({ PrivatePort, Type }) => `${PrivatePort}/${Type}`));
  const exposed = config.exposedPorts
    .filter((key) => !known.has(key))
    .map((key) => ({ PrivatePort: Number(key.split('/')[0]), Type: key.split('/')[1] ?? 'tcp' }));
  return [...exposed, ...published];
}
