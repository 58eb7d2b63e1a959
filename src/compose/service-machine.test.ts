import { describe, expect, it } from 'vitest';
import { configText } from './config-text.ts';
import { describePlan } from './plan.ts';
import { planImages } from './plan-images.ts';
import { planUp, type UpOptions } from './plan-up.ts';
import { afterPlan, emptyEngine, projectOf } from './testing/projects.ts';

const IMAGES = { web: 'sha256:web' };

const project = (machine: string, more = '') =>
  projectOf(`
services:
  web:
    image: web
    depends_on: { os: { condition: service_healthy } }
  os:
    x-berth:
      machine:
        ${machine}
    ${more}
`);

function planOf(
  now: ReturnType<typeof project>,
  options: UpOptions = {},
  before?: ReturnType<typeof project>,
) {
  const engine = emptyEngine(IMAGES);
  const found =
    before === undefined ? engine : afterPlan(engine, planUp(before, before.services, engine, {}));
  return planUp(now, now.services, found, options);
}

function requestOf(now: ReturnType<typeof project>) {
  for (const { action } of planOf(now).steps) if (action.kind === 'create-machine') return action.request;
  return expect.fail('no machine is made');
}

describe('a service that is a machine', () => {
  it('is made with what its file says, on the networks and with the ports of the service', () => {
    const { services } = project(
      'from: debian:bookworm\n        memory: 512m\n        disks: { data: 1g }\n        packages: [curl]',
      'ports: ["8080:80"]\n    cpus: 2\n    restart: always\n    hostname: box\n    healthcheck: { test: ["CMD", "ssh://"] }',
    );
    expect(services.map(({ name, machine }) => [name, machine !== undefined])).toEqual([
      ['os', true],
      ['web', false],
    ]);
    const request = requestOf(
      project(
        'from: debian:bookworm\n        memory: 512m\n        disks: { data: 1g }\n        packages: [curl]',
        'ports: ["8080:80"]\n    cpus: 2\n    restart: always\n    hostname: box\n    healthcheck: { test: ["CMD", "ssh://"] }',
      ),
    );
    expect(request).toMatchObject({
      Source: { Kind: 'debian', Release: 'bookworm' },
      ...{ Cpus: 2, Memory: 512 * 1024 ** 2, Disks: [{ Name: 'data', Size: 1024 ** 3 }] },
      Networks: { app_default: { Aliases: ['app-os-1', 'os'] } },
      Ports: { '80/tcp': [{ HostPort: '8080' }] },
      CloudInit: { Hostname: 'box', Packages: ['curl'] },
      ...{ RestartPolicy: { Name: 'always' }, Healthcheck: { Test: ['CMD', 'ssh://'] } },
      Labels: { 'com.docker.compose.service': 'os' },
    });
  });

  it('takes a file beside the Compose file, or a URL with its sha256', () => {
    const file = project('from: ./disk.qcow2');
    expect(requestOf(file).Source).toEqual({ Kind: 'image', Path: `${file.directory}/disk.qcow2` });
    const sum = 'a'.repeat(64);
    expect(requestOf(project(`from: "http://host/disk.qcow2#sha256=${sum}"`)).Source).toEqual({
      ...{ Kind: 'image', Url: 'http://host/disk.qcow2', Sha256: sum },
    });
  });

  it('needs no image, starts before what depends on it, and is waited for', () => {
    const now = project('from: debian');
    expect(planImages(now, now.services, emptyEngine(IMAGES)).steps).toEqual([]);
    expect(describePlan(planOf(now)).split('\n').slice(1)).toEqual([
      'create container app-os-1: it is not there (after create network app_default)',
      'create container app-web-1: it is not there (after create network app_default, create container app-os-1)',
      'start container app-os-1: it is new (after create container app-os-1, create container app-web-1)',
      'await service_healthy of container app-os-1: something depends on os with service_healthy (after start container app-os-1)',
      'start container app-web-1: it is new (after create container app-os-1, create container app-web-1, await service_healthy of container app-os-1)',
    ]);
  });

  it('stays when its configuration changes, as its disks would be lost, until it is to be made anew', () => {
    const [before, now] = [project('from: debian'), project('from: debian\n        memory: 1g')];
    const kept = planOf(now, {}, before);
    expect(kept.warnings).toEqual([
      'the machine app-os-1 stays as it is, although its configuration changed: its disks would be lost. Make it anew with --force-recreate',
    ]);
    expect(describePlan(kept)).toContain('keep container app-os-1: nothing changed');
    const forced = describePlan(planOf(now, { recreate: 'always' }, before)).split('\n');
    expect(forced.filter((step) => step.includes('app-os-1')).slice(0, 3)).toEqual([
      'stop container app-os-1: asked for',
      'remove container app-os-1: asked for (after stop container app-os-1)',
      'create container app-os-1: asked for (after remove container app-os-1)',
    ]);
  });

  it('is shown by config in the words of the file', () => {
    expect(configText(project('from: debian\n        disks: { data: 1g }'))).toMatch(
      /x-berth:\n +machine:\n +from: debian\n +disks:\n +data: 1073741824/,
    );
  });
});

describe('what is wrong with it', () => {
  it.each([
    ['from: debian\n        memry: 1g', '', "additional properties 'memry' not allowed"],
    ['from: http://host/disk.qcow2', '', 'what is downloaded needs its sha256'],
    ['type: amiga', '', '"amiga" is none of q35, pc, microvm'],
    ['disks: { data: large }', '', 'services.os.x-berth.machine.disks.data'],
    ['from: debian', 'image: web', 'service "os" is a machine (x-berth.machine), which has no image'],
    ['from: debian', 'volumes: ["/a:/b"]', 'which has no volumes'],
  ])('%j beside %j is said with its line', (machine, more, words) => {
    expect(() => project(machine, more)).toThrow(words);
    expect(() => project(machine, more)).toThrow(/compose\.yaml:\d+/);
  });
});
