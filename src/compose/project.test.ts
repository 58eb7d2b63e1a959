import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { BerthError } from '../base/index.ts';
import type { Service } from './model.ts';
import { type LoadOptions, loadProject } from './project.ts';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A new folder `app` with these files. */
function folderWith(files: Readonly<Record<string, string>>): string {
  const parent = mkdtempSync(join(tmpdir(), 'berth-compose-'));
  folders.push(parent);
  const folder = join(parent, 'app');
  for (const [name, text] of Object.entries({ ...files })) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return folder;
}

function load(files: Readonly<Record<string, string>>, options: Partial<LoadOptions> = {}) {
  const cwd = folderWith(files);
  const none = { files: [], projectName: undefined, projectDirectory: undefined, profiles: [], env: {} };
  return loadProject({ ...none, cwd, ...options });
}

/** The service `web` of a file that has just that. */
function web(lines: string, options: Partial<LoadOptions> = {}): Service {
  const body = lines.replaceAll(/^/gm, '    ');
  const project = load({ 'compose.yaml': `services:\n  web:\n    image: i\n${body}\n` }, options);
  const [service] = project.services;
  if (service === undefined) throw new Error('no service');
  return service;
}

/** The message of what loading throws, without the folder, and its hint. */
function refusal(files: Readonly<Record<string, string>>, options: Partial<LoadOptions> = {}) {
  try {
    load(files, options);
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    return { kind: error.kind, message: error.message.replaceAll(/\/\S*\/app\//g, ''), hint: error.hint };
  }
  throw new Error('nothing was thrown');
}

const ONE = 'services:\n  web:\n    image: i\n';

test('a project is named after its folder, made a valid name', () => {
  expect(load({ 'compose.yaml': ONE }).name).toBe('app');
  const folder = folderWith({ 'My App_2.0/compose.yaml': ONE });
  const none = { projectName: undefined, projectDirectory: undefined, profiles: [], env: {} };
  expect(loadProject({ ...none, files: [], cwd: join(folder, 'My App_2.0') }).name).toBe('myapp_20');
});

test('-p comes before COMPOSE_PROJECT_NAME, that before the file, that before the folder', () => {
  const files = { 'compose.yaml': `name: from-file\n${ONE}` };
  const env = { COMPOSE_PROJECT_NAME: 'from-env' };
  expect(load(files, { projectName: 'given', env }).name).toBe('given');
  expect(load(files, { env }).name).toBe('from-env');
  expect(load(files).name).toBe('from-file');
});

test('a wrong project name is refused', () => {
  expect(refusal({ 'compose.yaml': ONE }, { projectName: 'My App' }).message).toContain(
    'invalid project name "My App"',
  );
});

test('the file is found in a folder above, and its override beside it', () => {
  const folder = folderWith({
    'docker-compose.yml': ONE,
    'docker-compose.override.yml': 'services:\n  web:\n    image: other\n',
    'deep/er/readme': '',
  });
  const none = { files: [], projectName: undefined, projectDirectory: undefined, profiles: [], env: {} };
  const project = loadProject({ ...none, cwd: join(folder, 'deep/er') });
  expect(project.directory).toBe(folder);
  expect(project.services[0]?.image).toBe('other');
});

test('COMPOSE_FILE names several files, also from .env', () => {
  const files = {
    'a.yaml': ONE,
    'b.yaml': 'services:\n  db:\n    image: d\n',
    '.env': 'COMPOSE_FILE=a.yaml:b.yaml\n',
  };
  expect(load(files).services.map(({ name }) => name)).toEqual(['db', 'web']);
});

test('no file: says which names were looked for', () => {
  const { kind, message, hint } = refusal({ readme: '' });
  expect([kind, message]).toEqual(['not-found', 'no configuration file provided: not found']);
  expect(hint).toContain('docker-compose.yml');
});

test('.env fills in variables; the caller’s environment comes first', () => {
  const files = { 'compose.yaml': 'services:\n  web:\n    image: $A-$B\n', '.env': 'A=1\nB=2\n' };
  expect(load(files, { env: { B: '3' } }).services[0]?.image).toBe('1-3');
});

test('the variable that is not set and the obsolete version are warned about once each', () => {
  const file = 'version: "3"\nservices:\n  web:\n    image: i$X\n    hostname: h$X\n';
  const warnings = load({ 'compose.yaml': file }).warnings;
  expect(warnings).toHaveLength(2);
  expect(warnings).toContain('The "X" variable is not set. Defaulting to a blank string.');
  expect(warnings.join()).toContain('the attribute `version` is obsolete');
});

test('a container_name that is no valid name becomes one, with one warning for all', () => {
  const file =
    'services:\n  a:\n    image: i\n    container_name: "Server 1"\n  b:\n    image: i\n    container_name: "Server 2"\n';
  const { services, warnings } = load({ 'compose.yaml': file });
  expect(services.map(({ containerName }) => containerName)).toEqual(['Server-1', 'Server-2']);
  expect(warnings).toEqual([
    'container names may have letters, digits, "_", "." and "-" only: "Server 1" became "Server-1", "Server 2" became "Server-2"',
  ]);
});

test.each([
  [
    'services:\n  web:\n    imagee: i\n',
    "compose.yaml:3:5: services.web.imagee: additional properties 'imagee' not allowed",
    'Did you mean image?',
  ],
  [
    'servces:\n  web:\n',
    "compose.yaml:1:1: servces: additional properties 'servces' not allowed",
    'Did you mean services?',
  ],
  [
    'services:\n  web:\n    image: i\n    ports: 80\n',
    'compose.yaml:4:12: services.web.ports must be a list',
    undefined,
  ],
  [
    'services:\n  web:\n    image: i\n    ports: [80:x]\n',
    'compose.yaml:4:13: services.web.ports[0]: invalid port "x" in "80:x"',
    undefined,
  ],
  [
    'services:\n  web:\n    image: i\n    tty: maybe\n',
    'compose.yaml:4:10: services.web.tty must be true or false',
    undefined,
  ],
  [
    'services:\n  web:\n    image: i\n    mem_limit: lots\n',
    'compose.yaml:4:16: services.web.mem_limit: invalid size',
    undefined,
  ],
  [
    'services:\n  web:\n    image: i\n    restart: sometimes\n',
    'compose.yaml:4:14: services.web.restart must be',
    undefined,
  ],
  [
    'services:\n  web: {}\n',
    'compose.yaml:2:8: service "web" has neither an image nor a build context',
    undefined,
  ],
  [
    'services:\n  web:\n    image: i\n    depends_on: [db]\n',
    'compose.yaml:2:3: service "web" depends on undefined service "db"',
    undefined,
  ],
  [
    'services:\n  web:\n    image: i\n    networks: [back]\n',
    'compose.yaml:2:3: service "web" refers to undefined network back',
    undefined,
  ],
  [
    'services:\n  web:\n    image: i\n    volumes: [data:/d]\n',
    'compose.yaml:2:3: service "web" refers to undefined volume data',
    undefined,
  ],
  [
    'services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i, depends_on: [a]}\n',
    'dependency cycle detected: a -> b -> a',
    undefined,
  ],
])('%j is refused with its place', (text, message, hint) => {
  const refused = refusal({ 'compose.yaml': text });
  expect(refused.message).toContain(message);
  expect(refused.hint).toBe(hint);
  expect(refused.kind).toBe('invalid');
});

test.each([
  ['services:\n  web:\n   image: i\n  db:\n', 'compose.yaml:4:3'],
  ['services:\n  web:\n\timage: i\n', 'compose.yaml:3:1'],
  ['services:\n  web:\n    image: "i\n', 'compose.yaml:'],
  ['services:\n  web:\n    image: i\n    image: j\n', 'compose.yaml:4:5'],
  ['services: [\n', 'compose.yaml:'],
])('broken YAML %j says where', (text, place) => {
  const { message } = refusal({ 'compose.yaml': text });
  expect(message).toContain(place);
  expect(message).not.toContain('\n');
});

test.each([
  [
    'services:\n  web:\n    image: i\n    extends: {service: a}\n',
    'compose.yaml:4:5: the key services.web.extends is not there yet',
  ],
  [
    'services:\n  web:\n    image: i\n    ports: !reset []\n',
    'compose.yaml:4:12: the tag !reset is not there yet',
  ],
  ['include: [a.yaml]\nservices:\n  web: {image: i}\n', 'compose.yaml:1:1: the key include is not there yet'],
  [
    'services:\n  web:\n    build: https://github.com/a/b.git\n',
    'compose.yaml:3:12: a build context that is a URL is not there yet',
  ],
])('%j is valid Compose, and refused by name', (text, message) => {
  expect(refusal({ 'compose.yaml': text })).toMatchObject({
    kind: 'not-implemented',
    message: expect.stringContaining(message),
  });
});

test('x- keys are the user’s own, and YAML anchors with merge keys work', () => {
  const file =
    'x-base: &base\n  image: i\n  environment: {A: "1"}\nservices:\n  a:\n    <<: *base\n  b:\n    image: j\n    <<: *base\n    x-note: mine\n';
  const { services } = load({ 'compose.yaml': file });
  expect(services.map(({ image }) => image)).toEqual(['i', 'j']);
  expect(services.map(({ environment }) => environment.get('A'))).toEqual(['1', '1']);
});

test('environment: files first, then the mapping; a bare key takes the caller’s value or goes', () => {
  const files = {
    'compose.yaml':
      'services:\n  web:\n    image: i\n    env_file: [a.env, {path: none.env, required: false}]\n    environment: [A=1, FROM_CALLER, NOWHERE]\n',
    'a.env': 'A=0\nB=2\nNOWHERE=x\n',
  };
  const [service] = load(files, { env: { FROM_CALLER: 'c' } }).services;
  expect(Object.fromEntries(service?.environment ?? [])).toEqual({ A: '1', B: '2', FROM_CALLER: 'c' });
});

test('an env_file that is missing is refused with its place', () => {
  const file = 'services:\n  web:\n    image: i\n    env_file: gone.env\n';
  expect(refusal({ 'compose.yaml': file }).message).toMatch(
    /^compose.yaml:4:15: env file gone.env not readable: not found/,
  );
});

test('labels: files first, a later one before an earlier one, then the mapping', () => {
  const files = {
    'compose.yaml':
      'services:\n  web:\n    image: i\n    label_file: [a.labels, b.labels]\n    labels: {own: "1"}\n',
    'a.labels': '# comment\nown=0\nfirst=a b\nboth=a\n',
    'b.labels': 'both=b\n',
  };
  const [service] = load(files).services;
  expect(Object.fromEntries(service?.labels ?? [])).toEqual({ own: '1', first: 'a b', both: 'b' });
  const gone = 'services:\n  web:\n    image: i\n    label_file: gone.labels\n';
  expect(refusal({ 'compose.yaml': gone }).message).toMatch(
    /^compose.yaml:4:17: label file gone.labels not readable: not found/,
  );
});

test('volumes_from names services, which are started before, and containers', () => {
  const lines = 'image: i\n    volumes_from: [other:ro, "container:somebody", "container:reader:ro"]';
  const { services } = load({ 'compose.yaml': `services:\n  web:\n    ${lines}\n  other: {image: i}\n` });
  const service = services.find(({ name }) => name === 'web');
  expect(service?.volumesFrom).toEqual([
    { kind: 'service', name: 'other', readOnly: true },
    { kind: 'container', name: 'somebody', readOnly: false },
    { kind: 'container', name: 'reader', readOnly: true },
  ]);
  expect(service?.dependsOn).toEqual([
    { service: 'other', condition: 'service_started', required: true, restart: true },
  ]);
  const wrong = 'services:\n  web:\n    image: i\n    volumes_from: ["a:b:c"]\n';
  expect(refusal({ 'compose.yaml': wrong }).message).toContain(
    '"a:b:c" is neither SERVICE[:ro] nor container:NAME[:ro]',
  );
});

test('long and short forms mean the same', () => {
  const long = web('ports:\n  - {target: 80, published: "8080", protocol: udp, host_ip: 127.0.0.1}');
  expect(long.ports).toEqual(web('ports: ["127.0.0.1:8080:80/udp"]').ports);
  expect(web('command: echo "a b"').command).toEqual(web('command: [echo, a b]').command);
  expect(web('labels: [a=1, b]').labels).toEqual(web('labels: {a: "1", b: }').labels);
  expect(web('healthcheck: {test: "exit 0"}').healthcheck?.test).toEqual(['CMD-SHELL', 'exit 0']);
  expect(web('extra_hosts: {a: 1.2.3.4}').extraHosts).toEqual(web('extra_hosts: ["a=1.2.3.4"]').extraHosts);
});

test('limits come from the service, else from deploy', () => {
  const deploy = 'deploy: {replicas: 2, resources: {limits: {memory: 64m, cpus: "0.5", pids: 9}}}';
  expect(web(deploy)).toMatchObject({ memory: 64 * 1024 ** 2, cpus: 0.5, pidsLimit: 9, scale: 2 });
  expect(web(`${deploy}\nmem_limit: 32m`)).toMatchObject({ memory: 32 * 1024 ** 2 });
});

test('durations: a grace period in seconds, a healthcheck’s in nanoseconds', () => {
  expect(web('stop_grace_period: 1m30s').stopGracePeriod).toBe(90);
  const check = web('healthcheck: {test: [CMD, "true"], interval: 500ms, retries: 3}').healthcheck;
  expect(check).toMatchObject({ test: ['CMD', 'true'], interval: 5e8, retries: 3 });
});

test('services without networks are in the default one; unused networks and volumes are left out', () => {
  const file =
    'services:\n  a: {image: i}\n  b: {image: i, networks: {back: {aliases: [x], ipv4_address: 10.9.0.5}}}\n  c: {image: i, network_mode: host}\n' +
    'networks: {back: {ipam: {config: [{subnet: 10.9.0.0/24}]}}, unused: {}}\nvolumes: {unused: {}}\n';
  const project = load({ 'compose.yaml': file });
  expect(project.networks.map(({ name, subnet }) => [name, subnet])).toEqual([
    ['app_back', '10.9.0.0/24'],
    ['app_default', undefined],
  ]);
  expect(project.volumes).toEqual([]);
  expect(project.services[1]?.networks).toMatchObject([
    { name: 'back', aliases: ['x'], address: '10.9.0.5' },
  ]);
  expect(project.services[2]?.networks).toEqual([]);
});

test('a build argument without a value takes the caller’s, else the Dockerfile’s default', () => {
  const file = 'services:\n  web:\n    build: {context: ., args: {A: "1", B: , C: }}\n';
  const args = load({ 'compose.yaml': file, '.env': 'B=2' }).services[0]?.build?.args;
  expect(Object.fromEntries(args ?? [])).toEqual({ A: '1', B: '2', C: null });
});

test('who shares a namespace of a service depends on it', () => {
  const file = 'services:\n  a: {image: i}\n  b: {image: i, network_mode: "service:a"}\n';
  expect(load({ 'compose.yaml': file }).services[1]?.dependsOn).toMatchObject([
    { service: 'a', condition: 'service_started' },
  ]);
});

test('profiles: a service is there when one is active, or when it is asked for by name', () => {
  const file = 'services:\n  web: {image: i}\n  tool: {image: i, profiles: [debug]}\n';
  const names = (options: Partial<LoadOptions>) =>
    load({ 'compose.yaml': file }, options).services.map(({ name }) => name);
  expect(names({})).toEqual(['web']);
  expect(names({ profiles: ['debug'] })).toEqual(['tool', 'web']);
  expect(names({ env: { COMPOSE_PROFILES: 'a,debug' } })).toEqual(['tool', 'web']);
  expect(names({ services: ['tool'] })).toEqual(['tool', 'web']);
  expect(load({ 'compose.yaml': file }).disabledServices).toEqual(['tool']);
});
