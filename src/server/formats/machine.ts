import {
  type ContainerRecord,
  type EndReport,
  type Health,
  isActive,
  type MachineDiskUse,
  type MachineOptions,
} from '../../engine/index.ts';
import type { ImageUse } from '../../vm/index.ts';
import { endInspect, healthcheckInspect, type NetworkFacts, networks, stateInspect } from './container.ts';
import { portList, reasonOf, statusText } from './container-summary.ts';

/** What a row of a list needs beside the record. */
export interface MachineFacts extends NetworkFacts {
  /** Undefined where nothing checks it. */
  readonly health: Health | undefined;
}

export interface MachineInspectFacts extends MachineFacts {
  readonly disks: readonly MachineDiskUse[];
  readonly ends: readonly EndReport[];
  readonly logPath: string;
}

/** One row of GET /berth/machines/json. */
export function machineSummary(record: ContainerRecord, facts: MachineFacts) {
  const { id, name, createdAt, config, state } = record;
  const { source } = optionsOf(record);
  return {
    Id: id,
    Name: name,
    Source: source,
    Created: createdAt,
    State: state.status,
    Status: statusText(state, facts.health),
    ...(reasonOf(state) === undefined ? {} : { Reason: reasonOf(state) }),
    Cpus: record.host.resources.nanoCpus / 1e9,
    Memory: record.host.resources.memory,
    Networks: networks(record, facts),
    Ports: portList(record),
    Labels: config.labels,
  };
}

/** GET /berth/machines/{id}/json. Sizes are bytes, times of health checks nanoseconds. */
export function machineInspect(record: ContainerRecord, facts: MachineInspectFacts) {
  const { id, name, createdAt, config, host, state, restartCount } = record;
  const { source, model, firmware, iso, firstBoot } = optionsOf(record);
  const computer = isActive(state) ? state.computer : undefined;
  return {
    Id: id,
    Name: name,
    Created: createdAt,
    Source: source,
    State: machineState(record, facts.health),
    Hardware: {
      Cpus: host.resources.nanoCpus / 1e9,
      Memory: host.resources.memory,
      Model: model,
      Firmware: firmware,
      ...(computer === undefined ? {} : { Accelerator: computer.accelerator }),
    },
    Disks: disksInspect(record, facts.disks),
    Iso: iso ?? null,
    CloudInit: firstBoot === undefined ? null : cloudInit(firstBoot),
    Networks: networks(record, facts),
    Ports: portList(record),
    RestartPolicy: {
      Name: host.restart.name,
      MaximumRetryCount: 'maximumRetries' in host.restart ? host.restart.maximumRetries : 0,
    },
    RestartCount: restartCount,
    StopTimeout: config.stopTimeout,
    Healthcheck: config.healthcheck === undefined ? null : healthcheckInspect(config.healthcheck),
    Labels: config.labels,
    LogConfig: { Type: host.log.driver, Config: host.log.options },
    LogPath: facts.logPath,
    Ends: facts.ends.map(endInspect),
  };
}

/** One row of GET /berth/machines/images. Sizes are bytes: of the disk that it is, and what it takes. */
export function machineImage({ image, size, used }: ImageUse) {
  return {
    Name: image.name,
    Digest: image.digest,
    Source: image.source,
    Format: image.format,
    VirtualSize: image.virtualSize,
    Size: size,
    Created: image.createdAt.toISOString(),
    Used: used,
  };
}

/** Its status says whether it is paused, and its kernel has its own memory to run out of. */
function machineState(record: ContainerRecord, health: Health | undefined) {
  const { OOMKilled: _, Dead: __, Paused: ___, ...state } = stateInspect(record.state, health);
  return state;
}

function disksInspect(record: ContainerRecord, uses: readonly MachineDiskUse[]) {
  return optionsOf(record).disks.map(({ name, size, backing }) => ({
    Name: name,
    Size: size,
    Allocated: uses.find((use) => use.name === name)?.allocated ?? 0,
    Backing: backing ?? null,
  }));
}

function cloudInit({
  hostname,
  user,
  sshKeys,
  packages,
  run,
  userData,
}: NonNullable<MachineOptions['firstBoot']>) {
  return {
    Hostname: hostname,
    User: user,
    SshKeys: sshKeys,
    Packages: packages,
    Run: run,
    ...(userData === undefined ? {} : { UserData: userData }),
  };
}

/** Every machine has them; the type of records does not know it. */
function optionsOf({ host }: ContainerRecord): MachineOptions {
  return host.machine ?? { source: '', model: 'q35', firmware: 'bios', disks: [] };
}
