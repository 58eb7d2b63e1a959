/**
 * What is said between a VM's monitor and its guest; `native/common/guest-protocol.h` is the same and says what each
 * message and field carries.
 */

/** The name of the virtio-serial port. */
export const GUEST_PORT = 'berth.agent';

/** The version that the guest says in READY. */
export const GUEST_VERSION = 1;

/** The id of a guest's first process. */
export const GUEST_MAIN_PROCESS = 1;

/** How many bytes of one stream may be under way. */
export const GUEST_WINDOW_BYTES = 256 * 1024;

/** The longest payload of a stream's frame. */
export const GUEST_STREAM_MAX = 32 * 1024 - 8;

/** The disks' serial numbers, and the mount tag of the shared folders. */
export const GUEST_LAYER_DISK = 'layers';
export const GUEST_WRITABLE_DISK = 'writable';
export const GUEST_SHARE_TAG = 'b0';

/** A word of the kernel's command line: by what folders are shared. */
export const GUEST_SHARES_VARIABLE = 'BERTH_SHARES';
/** Of a template: it is seen when a machine goes on from it. */
export const GUEST_SHARES_ANY = 'any';

export const guestMessage = {
  setup: 0x01,
  start: 0x02,
  stdin: 0x03,
  closeStdin: 0x04,
  signal: 0x05,
  resize: 0x06,
  window: 0x07,
  putFile: 0x08,
  statistics: 0x09,
  processes: 0x0a,
  powerOff: 0x0b,
  dnsAnswer: 0x0c,
  ping: 0x0d,
  setTime: 0x0e,
  killAll: 0x0f,
  ok: 0x80,
  ready: 0x81,
  started: 0x82,
  files: 0x89,
  processList: 0x8a,
  stdout: 0x90,
  stderr: 0x91,
  exited: 0x92,
  outOfMemory: 0x93,
  dnsQuery: 0x95,
  dnsQueryTcp: 0x96,
  error: 0xff,
} as const;

export const setupTag = {
  time: 1,
  seed: 2,
  hostname: 3,
  domainname: 4,
  layer: 5,
  writable: 6,
  readOnlyRoot: 7,
  interface: 8,
  route: 9,
  file: 10,
  mount: 11,
  sysctl: 12,
  shmSize: 13,
  maskedPath: 14,
  readOnlyPath: 15,
  nameService: 16,
  pidsLimit: 17,
} as const;

export const interfaceTag = {
  mac: 1,
  newMac: 2,
  name: 3,
  mtu: 4,
  address: 5,
} as const;

export const routeTag = {
  destination: 1,
  gateway: 2,
  interface: 3,
} as const;

export const fileTag = {
  path: 1,
  mode: 2,
  content: 3,
} as const;

export const mountTag = {
  type: 1,
  source: 2,
  destination: 3,
  readOnly: 4,
  options: 5,
} as const;

export const processTag = {
  argument: 1,
  environment: 2,
  directory: 3,
  uid: 4,
  gid: 5,
  group: 6,
  terminal: 7,
  rows: 8,
  columns: 9,
  stdin: 10,
  bounding: 11,
  effective: 12,
  permitted: 13,
  inheritable: 14,
  ambient: 15,
  noNewPrivileges: 16,
  rlimit: 17,
  umask: 18,
  oomScore: 19,
  init: 20,
  stopSignal: 21,
  stopGroup: 22,
  worker: 23,
  seccomp: 24,
  probe: 25,
} as const;

export const guestWorker = {
  root: 1,
  rootAlone: 2,
  changes: 3,
  connect: 4,
  wait: 5,
} as const;

export const guestTag = {
  kind: 32,
  message: 33,
  version: 34,
  pid: 36,
  time: 37,
  code: 38,
  outOfMemory: 39,
  number: 43,
  rows: 44,
  columns: 45,
  stream: 46,
  bytes: 47,
  count: 48,
  file: 49,
  process: 50,
  endSignal: 60,
} as const;

export const recordTag = {
  pid: 1,
  stat: 2,
  status: 3,
  command: 4,
  user: 5,
} as const;

export const guestStream = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
} as const;
