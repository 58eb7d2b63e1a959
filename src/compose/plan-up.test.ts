import { describe, expect, it } from 'vitest';
import type { Project } from './model.ts';
import type { Observed } from './observe.ts';
import { describePlan } from './plan.ts';
import { planUp, type UpOptions } from './plan-up.ts';
import { selectServices } from './selection.ts';
import { afterPlan, emptyEngine, projectOf } from './testing/projects.ts';

const WEB_AND_DB = `
services:
  web: { image: web, depends_on: [db] }
  db: { image: db, volumes: ["data:/data"] }
volumes: { data: }
`;

const IMAGES = { web: 'sha256:web', db: 'sha256:db' };

function up(project: Project, observed: Observed, options: UpOptions & { dependencies?: boolean } = {}) {
  return planUp(project, selectServices(project, options.named ?? [], options), observed, options);
}

/** Plan for what a project finds when the other one is up. */
function planAfter(before: string, now: string, options: UpOptions = {}, images = IMAGES): string {
  const observed = afterPlan(emptyEngine(IMAGES), up(projectOf(before), emptyEngine(IMAGES)));
  return describePlan(up(projectOf(now), { ...observed, images: new Map(Object.entries(images)) }, options));
}

describe('a plan to bring a project up', () => {
  it('makes networks and volumes, then containers, then starts them, dependencies first', () => {
    expect(describePlan(up(projectOf(WEB_AND_DB), emptyEngine(IMAGES)))).toBe(
      [
        'create network app_default: it is not there',
        'create volume app_data: it is not there',
        'create container app-db-1: it is not there (after create network app_default, create volume app_data)',
        'create container app-web-1: it is not there (after create network app_default, create container app-db-1)',
        'start container app-db-1: it is new (after create container app-db-1, create container app-web-1)',
        'start container app-web-1: it is new (after create container app-db-1, create container app-web-1, start container app-db-1)',
      ].join('\n'),
    );
  });

  it('waits at the end where that is asked for: for the end of what others await the end of', () => {
    const text = `
services:
  web: { image: web, depends_on: { db: { condition: service_completed_successfully } } }
  db: { image: db }
`;
    const steps = describePlan(up(projectOf(text), emptyEngine(IMAGES), { wait: true })).split('\n');
    expect(steps.slice(-2)).toEqual([
      'start container app-web-1: it is new (after create container app-db-1, create container app-web-1, await service_completed_successfully of container app-db-1)',
      'await running_or_healthy of container app-web-1: asked for by --wait (after start container app-web-1)',
    ]);
  });

  it('keeps what has not changed', () => {
    expect(planAfter(WEB_AND_DB, WEB_AND_DB)).toBe(
      'keep container app-db-1: nothing changed\nkeep container app-web-1: nothing changed',
    );
  });

  it('says the same of the same input, whatever the order in the file', () => {
    const turned = `
volumes: { data: }
services:
  db: { volumes: ["data:/data"], image: db }
  web: { depends_on: [db], image: web }
`;
    expect(planAfter(WEB_AND_DB, turned)).toBe(planAfter(WEB_AND_DB, WEB_AND_DB));
  });

  it('recreates a container whose configuration changed, and no other', () => {
    expect(planAfter(WEB_AND_DB, WEB_AND_DB.replace('image: web', 'image: web, environment: [A=1]'))).toBe(
      [
        'keep container app-db-1: nothing changed',
        'recreate container app-web-1: its configuration changed',
        'start container app-web-1: it is new (after recreate container app-web-1)',
      ].join('\n'),
    );
  });

  it('recreates a container whose image was built or pulled anew', () => {
    expect(planAfter(WEB_AND_DB, WEB_AND_DB, {}, { ...IMAGES, db: 'sha256:newer' })).toContain(
      'recreate container app-db-1: its image changed',
    );
  });

  it('recreates all by --force-recreate, but of named services not their dependencies', () => {
    expect(planAfter(WEB_AND_DB, WEB_AND_DB, { recreate: 'always' })).toContain(
      'recreate container app-db-1: asked for',
    );
    const named = planAfter(WEB_AND_DB, WEB_AND_DB, { recreate: 'always', named: ['web'] });
    expect(named).toContain('keep container app-db-1: nothing changed');
    expect(named).toContain('recreate container app-web-1: asked for');
  });

  it('recreates nothing by --no-recreate', () => {
    const changed = WEB_AND_DB.replace('image: web', 'image: web, environment: [A=1]');
    expect(planAfter(WEB_AND_DB, changed, { recreate: 'never' })).not.toContain('recreate container');
  });

  it('starts nothing by --no-start', () => {
    expect(describePlan(up(projectOf(WEB_AND_DB), emptyEngine(IMAGES), { noStart: true }))).not.toContain(
      'start container',
    );
  });

  it('starts a container that stands still', () => {
    const project = projectOf('services: { web: { image: web } }');
    const running = afterPlan(emptyEngine(IMAGES), up(project, emptyEngine(IMAGES)));
    const containers = running.containers.map((container) => ({ ...container, state: 'exited' as const }));
    expect(describePlan(up(project, { ...running, containers }))).toBe(
      'start container app-web-1: it does not run',
    );
  });

  it('leaves dependencies out by --no-deps', () => {
    const plan = up(projectOf(WEB_AND_DB), emptyEngine(IMAGES), { named: ['web'], dependencies: false });
    expect(describePlan(plan)).not.toContain('db');
  });

  it('adds what --scale lacks and removes what is too much', () => {
    const web = 'services: { web: { image: web } }';
    const three = { scale: new Map([['web', 3]]) };
    expect(planAfter(web, web, three)).toContain('create container app-web-3: it is not there');
    const observed = afterPlan(emptyEngine(IMAGES), up(projectOf(web), emptyEngine(IMAGES), three));
    expect(describePlan(up(projectOf(web), observed))).toBe(
      [
        'stop container app-web-2: web is scaled to 1',
        'remove container app-web-2: web is scaled to 1 (after stop container app-web-2)',
        'stop container app-web-3: web is scaled to 1',
        'remove container app-web-3: web is scaled to 1 (after stop container app-web-3)',
        'keep container app-web-1: nothing changed',
      ].join('\n'),
    );
  });

  it('refuses to scale a service whose container has a name of its own', () => {
    const project = projectOf('services: { web: { image: web, container_name: page } }');
    expect(() => up(project, emptyEngine(IMAGES), { scale: new Map([['web', 2]]) })).toThrow(
      /container_name page/,
    );
  });

  it('warns of orphans once, and removes them by --remove-orphans', () => {
    const web = 'services: { web: { image: web } }';
    expect(planAfter(WEB_AND_DB, web)).toMatch(
      /^warning: Found orphan containers \(app-db-1\) for this project/,
    );
    const removed = planAfter(WEB_AND_DB, web, { removeOrphans: true });
    expect(removed).toContain('remove container app-db-1: no service of the project has it');
    expect(removed).not.toContain('warning');
  });

  it('does not take services of other profiles for orphans', () => {
    const debug = 'services: { web: { image: web }, db: { image: db, profiles: [debug] } }';
    const observed = afterPlan(
      emptyEngine(IMAGES),
      up(projectOf(debug, { profiles: ['debug'] }), emptyEngine(IMAGES)),
    );
    expect(describePlan(up(projectOf(debug), observed))).toBe('keep container app-web-1: nothing changed');
  });

  it('waits for the end of a job, and for health, before what depends on it starts', () => {
    const text = `
services:
  web:
    image: web
    depends_on: { job: { condition: service_completed_successfully }, db: { condition: service_healthy } }
  job: { image: web }
  db: { image: db }
`;
    const lines = describePlan(up(projectOf(text), emptyEngine(IMAGES))).split('\n');
    const start = lines.find((line) => line.startsWith('start container app-web-1'));
    expect(start).toContain('await service_completed_successfully of container app-job-1');
    expect(start).toContain('await service_healthy of container app-db-1');
  });

  it('restarts a dependent that asks for it when its dependency is recreated', () => {
    const text = `
services:
  web: { image: web, depends_on: { db: { condition: service_started, restart: true } } }
  db: { image: db }
`;
    expect(planAfter(text, text.replace('image: db', 'image: db, environment: [A=1]'))).toContain(
      'restart container app-web-1: db was recreated (after recreate container app-db-1, start container app-db-1)',
    );
  });

  it('makes a changed network anew, after the containers that are on it have gone', () => {
    const text = 'services: { web: { image: web, networks: [n] } }\nnetworks: { n: {} }';
    expect(planAfter(text, text.replace('n: {}', 'n: { internal: true }'))).toBe(
      [
        'stop container app-web-1: its network app_n changed',
        'remove container app-web-1: its network app_n changed (after stop container app-web-1)',
        'remove network app_n: its configuration changed (after remove container app-web-1)',
        'create network app_n: its configuration changed (after remove network app_n)',
        'create container app-web-1: its network is made anew (after remove container app-web-1, create network app_n)',
        'start container app-web-1: it is new (after create container app-web-1)',
      ].join('\n'),
    );
  });

  it('leaves a changed network that services use which were not named', () => {
    const text = `
services:
  a: { image: web, networks: [n] }
  b: { image: web, networks: [n] }
networks: { n: {} }`;
    const changed = text.replace('n: {}', 'n: { internal: true }');
    expect(planAfter(text, changed, { named: ['a'] })).toBe(
      [
        'warning: network "app_n" exists but doesn\'t match configuration in compose file: it stays as it is, as app-b-1 uses it, too',
        'keep container app-a-1: nothing changed',
      ].join('\n'),
    );
  });

  it('ends by --wait when all run', () => {
    expect(planAfter(WEB_AND_DB, WEB_AND_DB, { wait: true })).toContain(
      'await running_or_healthy of container app-web-1: asked for by --wait',
    );
  });

  it('recreates what shares a namespace with a recreated container', () => {
    const text = `
services:
  a: { image: db }
  b: { image: web, network_mode: "service:a" }
`;
    expect(planAfter(text, text.replace('image: db', 'image: db, environment: [A=1]'))).toContain(
      'recreate container app-b-1: it shares a namespace with a, which is recreated',
    );
  });

  it('refuses external networks and volumes that are not there', () => {
    const network = 'services: { web: { image: web, networks: [n] } }\nnetworks: { n: { external: true } }';
    expect(() => up(projectOf(network), emptyEngine(IMAGES))).toThrow(/network n declared as external, but/);
    const volume = 'services: { web: { image: web, volumes: ["v:/v"] } }\nvolumes: { v: { external: true } }';
    expect(() => up(projectOf(volume), emptyEngine(IMAGES))).toThrow(/external volume "v" not found/);
  });

  it('warns of a volume that is something else, and leaves it as it is', () => {
    const text = 'services: { web: { image: web, volumes: ["v:/v"] } }\nvolumes: { v: {} }';
    const changed = planAfter(text, text.replace('v: {}', 'v: { driver_opts: { type: tmpfs } }'));
    expect(changed).toMatch(/^warning: volume "app_v" exists but doesn't match/);
    expect(changed).not.toContain('volume app_v:');
  });

  it('heals what a recreation that was cut short has left', () => {
    const web = projectOf('services: { web: { image: web } }');
    const observed = afterPlan(emptyEngine(IMAGES), up(web, emptyEngine(IMAGES)));
    const cut = observed.containers.map((container) => ({ ...container, name: '0123_app-web-1' }));
    expect(describePlan(up(web, { ...observed, containers: [...cut, ...observed.containers] }))).toBe(
      [
        'stop container 0123_app-web-1: web is scaled to 1',
        'remove container 0123_app-web-1: web is scaled to 1 (after stop container 0123_app-web-1)',
        'keep container app-web-1: nothing changed',
      ].join('\n'),
    );
    expect(describePlan(up(web, { ...observed, containers: cut }))).toContain(
      'recreate container app-web-1: it has another name',
    );
  });

  it('names the services there are when one is asked for that is not', () => {
    expect(() => selectServices(projectOf(WEB_AND_DB), ['wbe'])).toThrow(/no such service: wbe/);
  });
});
