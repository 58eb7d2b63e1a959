import { isBerthError } from '../base/index.ts';
import type { ContainerStatus, ContainerSummary, EngineClient } from '../client/index.ts';
import { LABEL } from './labels.ts';
import { imageKey, type WantedImage } from './selection.ts';

/** What there is at the engine of a project, as a plan compares it with what is wanted. */
export interface Observed {
  /** Of the project; one-off containers of `run` too. */
  readonly containers: readonly ObservedContainer[];
  /** All networks of the engine. */
  readonly networks: readonly ObservedResource[];
  /** All volumes of the engine. */
  readonly volumes: readonly ObservedVolume[];
  /** The ids of those images that were asked for and are there, by {@link imageKey}. */
  readonly images: ReadonlyMap<string, string>;
}

export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly number: number;
  readonly oneOff: boolean;
  readonly configHash: string | undefined;
  readonly image: string;
  readonly imageId: string;
  readonly state: ContainerStatus;
  /** Names of the networks that it is on. */
  readonly networks: readonly string[];
  /** What it depended on when it was made: for the order in which it is stopped. */
  readonly dependsOn: readonly string[];
  /** Volumes without a name of their own, which the next container of its place inherits. */
  readonly anonymousVolumes: readonly { readonly name: string; readonly target: string }[];
  readonly summary: ContainerSummary;
}

/** A network or a volume. */
export interface ObservedResource {
  readonly id: string;
  readonly name: string;
  /** The project that it was made for, if one was. */
  readonly project: string | undefined;
  /** Its key in that project's file. */
  readonly key: string | undefined;
  readonly configHash: string | undefined;
}

/** What a volume really is tells more than a hash: Docker Compose hashes in another way. */
export interface ObservedVolume extends ObservedResource {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

/** Asks the engine what there is of a project; `images` are those whose ids are wanted. */
export async function observe(
  client: EngineClient,
  project: string,
  images: readonly WantedImage[],
  signal?: AbortSignal,
): Promise<Observed> {
  const [containers, networks, { Volumes: volumes }, imageIds] = await Promise.all([
    observeContainers(client, project, signal),
    client.networks.list({ signal }),
    client.volumes.list({ signal }),
    observeImages(client, images, signal),
  ]);
  return {
    containers,
    networks: networks.map(({ Id, Name, Labels }) => resource(Id, Name, Labels, LABEL.network)),
    volumes: (volumes ?? []).map(({ Name, Labels, Driver: driver, Options: options }) => ({
      ...resource(Name, Name, Labels, LABEL.volume),
      ...{ driver, options: options ?? {} },
    })),
    images: imageIds,
  };
}

/** The containers of a project, running or not, in the order of their names. */
export async function observeContainers(
  client: EngineClient,
  project: string,
  signal?: AbortSignal,
): Promise<ObservedContainer[]> {
  const filters = { label: [`${LABEL.project}=${project}`] };
  const [containers, machines] = await Promise.all([
    client.containers.list({ all: true, filters, signal }),
    observeMachines(client, filters, signal),
  ]);
  return [...containers, ...machines].map(observedContainer).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As containers, which they are to a project. An engine that is not berth has none. */
async function observeMachines(
  client: EngineClient,
  filters: { readonly label: readonly string[] },
  signal: AbortSignal | undefined,
): Promise<ContainerSummary[]> {
  const options = { all: true, filters, ...(signal === undefined ? {} : { signal }) };
  const machines = await client.machines.list(options).catch((error: unknown) => {
    if (isBerthError(error, 'not-found')) return [];
    throw error;
  });
  return machines.map(({ Id, Name, Source, Created, State, Status, Ports, Labels, Networks }) => ({
    ...{
      Id,
      Names: [`/${Name}`],
      Image: Source,
      ImageID: '',
      Command: '',
      Status,
      Ports,
      Labels,
      Mounts: [],
    },
    Created: Math.floor(Date.parse(Created) / 1000),
    State: State as ContainerStatus,
    NetworkSettings: { Networks },
  }));
}

function observedContainer(summary: ContainerSummary): ObservedContainer {
  const labels = summary.Labels;
  return {
    id: summary.Id,
    name: (summary.Names[0] ?? '').replace(/^\//, ''),
    service: labels[LABEL.service] ?? '',
    number: Number(labels[LABEL.number] ?? 0),
    oneOff: labels[LABEL.oneOff] === 'True',
    configHash: labels[LABEL.configHash],
    image: summary.Image,
    imageId: labels[LABEL.image] ?? summary.ImageID,
    state: summary.State,
    networks: Object.keys(summary.NetworkSettings?.Networks ?? {}),
    dependsOn: dependencyNames(labels[LABEL.dependsOn]),
    anonymousVolumes: summary.Mounts.flatMap(({ Type, Name = '', Destination }) =>
      Type === 'volume' && /^[0-9a-f]{64}$/.test(Name) ? [{ name: Name, target: Destination }] : [],
    ),
    summary,
  };
}

/** The label's form is `service:condition:restart,…`. */
function dependencyNames(label = ''): string[] {
  return label.split(',').flatMap((dependency) => dependency.split(':')[0] || []);
}

async function observeImages(
  client: EngineClient,
  images: readonly WantedImage[],
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const look = async (image: WantedImage) => {
    const { name, platform } = image;
    try {
      ids.set(imageKey(image), (await client.images.inspect(name, { platform, signal })).Id);
    } catch (error) {
      if (!isBerthError(error, 'not-found')) throw error;
    }
  };
  await Promise.all([...new Map(images.map((image) => [imageKey(image), image])).values()].map(look));
  return ids;
}

function resource(
  id: string,
  name: string,
  labels: Readonly<Record<string, string>> | null,
  keyLabel: string,
): ObservedResource {
  return {
    id,
    name,
    project: labels?.[LABEL.project],
    key: labels?.[keyLabel],
    configHash: labels?.[LABEL.configHash],
  };
}
