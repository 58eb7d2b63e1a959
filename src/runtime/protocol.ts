import {
  type Field,
  FieldWriter,
  isPortProtocol,
  numberOf,
  type PortProtocol,
  textOf,
} from '../base/index.ts';
import type { LogPlan, LogSendPlan, PortPlan, RestartPlan, RootPlan, SupervisorPlan } from './contract.ts';
import { encodeLogAttributes } from './log-attributes.ts';

/**
 * What is said between berthd, the launcher and supervisors; `native/common/protocol.h` is the same and says what
 * each message carries.
 */
export const message = {
  launcherHello: 0x01,
  launch: 0x02,
  createNetwork: 0x03,
  releaseNetwork: 0x04,
  openFiles: 0x05,
  unmountLayer: 0x06,
  awaitChild: 0x07,

  hello: 0x10,
  run: 0x11,
  discard: 0x12,
  signal: 0x13,
  resize: 0x14,
  pause: 0x15,
  resume: 0x16,
  attach: 0x17,
  exec: 0x18,
  stdin: 0x19,
  closeStdin: 0x1a,
  setRestart: 0x1b,
  publish: 0x1d,
  withdraw: 0x1e,
  cancelRestart: 0x1c,

  ok: 0x80,
  launcherState: 0x81,
  state: 0x82,
  started: 0x83,
  stdout: 0x90,
  stderr: 0x91,
  exited: 0x92,
  portRefused: 0x93,
  restarting: 0x94,
  restarted: 0x95,
  error: 0xff,
} as const;

export const tag = {
  id: 1,
  directory: 2,
  socket: 3,
  layer: 4,
  upper: 5,
  work: 6,
  terminal: 7,
  openStdin: 8,
  stdinOnce: 9,
  network: 10,
  port: 11,
  logDriver: 12,
  logPath: 13,
  logMaxSize: 14,
  logMaxFiles: 15,
  shmSize: 16,
  runtimePath: 17,
  runtimeArgument: 18,
  runtimeRoot: 19,
  restart: 20,
  restartMaximum: 21,
  logAttributes: 22,
  logCompressor: 23,
  logSend: 24,

  kind: 32,
  message: 33,
  portIndex: 34,
  runtimeLog: 35,
  pid: 36,
  time: 37,
  code: 38,
  oomKilled: 39,
  state: 40,
  passwd: 41,
  group: 42,
  number: 43,
  rows: 44,
  columns: 45,
  streams: 46,
  process: 47,
  started: 48,
  startTime: 49,
  restarts: 50,
  ended: 51,

  endSignal: 60,
  memoryPeak: 61,
  memoryLimit: 62,
} as const;

const sendTag = { format: 1, address: 2, constant: 3, facility: 4 } as const;

const portTag = {
  protocol: 1,
  hostIp: 2,
  hostPort: 3,
  containerIp: 4,
  containerPort: 5,
  lastHostPort: 6,
} as const;

/** Values of {@link tag.state}. */
export const stateValue = { prepared: 0, running: 1, exited: 2, restarting: 3 } as const;

/** Values of {@link tag.restart}. */
const restartValue = { no: 0, always: 1, 'on-failure': 2 } as const;

/** Bits of {@link tag.streams}. */
export const streamBit = { stdin: 1, stdout: 2, stderr: 4 } as const;

/** A plan as the payload of {@link message.launch}; `socket` is where the supervisor will listen. */
export function encodePlan(plan: SupervisorPlan, socket: string): Buffer {
  const fields = new FieldWriter()
    .text(tag.id, plan.id)
    .text(tag.directory, plan.directory)
    .text(tag.socket, socket)
    .number(tag.terminal, Number(plan.terminal))
    .number(tag.openStdin, Number(plan.openStdin))
    .number(tag.stdinOnce, Number(plan.stdinOnce))
    .number(tag.shmSize, plan.shmSize)
    .text(tag.runtimePath, plan.runtime.path)
    .text(tag.runtimeRoot, plan.runtime.root);
  writeLog(fields, plan.log);
  if (plan.restart !== undefined) writeRestart(fields, plan.restart);
  if (plan.restarts !== undefined) fields.number(tag.restarts, plan.restarts);
  if (plan.network !== undefined) fields.number(tag.network, plan.network.handle);
  for (const argument of plan.runtime.args) fields.text(tag.runtimeArgument, argument);
  for (const port of plan.ports) fields.bytes(tag.port, encodePort(port));
  writeRoot(fields, plan.root);
  return fields.finish();
}

function writeLog(fields: FieldWriter, log: LogPlan): void {
  fields.text(tag.logDriver, log.driver);
  if (log.driver !== 'none') {
    fields
      .text(tag.logPath, log.path)
      .number(tag.logMaxSize, log.maxSize)
      .number(tag.logMaxFiles, log.maxFiles);
    if (log.attributes !== undefined) {
      fields.bytes(tag.logAttributes, encodeLogAttributes(log.driver, log.attributes));
    }
    if (log.compressor !== undefined) fields.text(tag.logCompressor, log.compressor);
  }
  if (log.send !== undefined) fields.bytes(tag.logSend, encodeSend(log.send));
}

function encodeSend(send: LogSendPlan): Buffer {
  return new FieldWriter()
    .text(sendTag.format, send.format)
    .text(sendTag.address, send.address)
    .text(sendTag.constant, send.constant)
    .number(sendTag.facility, send.facility)
    .finish();
}

/** Adds the fields of a restart policy. */
export function writeRestart(fields: FieldWriter, restart: RestartPlan): FieldWriter {
  return fields
    .number(tag.restart, restartValue[restart.policy])
    .number(tag.restartMaximum, restart.policy === 'on-failure' ? restart.maximumRetries : 0);
}

/** Adds the fields of a root. */
export function writeRoot(fields: FieldWriter, root: RootPlan): FieldWriter {
  for (const layer of root.layers) fields.text(tag.layer, layer);
  if (root.writable !== undefined) {
    fields.text(tag.upper, root.writable.upper).text(tag.work, root.writable.work);
  }
  return fields;
}

export function encodePort(port: PortPlan): Buffer {
  const fields = new FieldWriter()
    .text(portTag.protocol, port.protocol)
    .text(portTag.hostIp, port.hostIp)
    .number(portTag.hostPort, port.hostPort)
    .text(portTag.containerIp, port.containerIp)
    .number(portTag.containerPort, port.containerPort);
  if (port.lastHostPort !== undefined) fields.number(portTag.lastHostPort, port.lastHostPort);
  return fields.finish();
}

/** A port out of {@link tag.port}. Throws RangeError when a field is missing. */
export function decodePort(fields: readonly Field[]): PortPlan {
  return {
    protocol: protocolOf(textOf(fields, portTag.protocol)),
    hostIp: textOf(fields, portTag.hostIp),
    hostPort: numberOf(fields, portTag.hostPort),
    containerIp: textOf(fields, portTag.containerIp),
    containerPort: numberOf(fields, portTag.containerPort),
  };
}

function protocolOf(text: string): PortProtocol {
  if (!isPortProtocol(text)) throw new RangeError(`a port has the unknown protocol ${text}`);
  return text;
}
