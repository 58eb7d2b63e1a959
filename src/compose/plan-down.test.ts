import { describe, expect, it } from 'vitest';
import { describePlan } from './plan.ts';
import { downProject, planDown } from './plan-down.ts';
import { planRestart, planStart, planStop } from './plan-lifecycle.ts';
import { planUp } from './plan-up.ts';
import { selectServices } from './selection.ts';
import { afterPlan, emptyEngine, projectOf } from './testing/projects.ts';

const project = projectOf(`
services:
  web: { build: ., depends_on: [db] }
  db: { image: db, volumes: ["data:/data"] }
volumes: { data: }
`);
const images = { 'app-web': 'sha256:web', db: 'sha256:db' };
const observed = afterPlan(
  emptyEngine(images),
  planUp(project, selectServices(project, []), emptyEngine(images)),
);

describe('a plan to take a project down', () => {
  it('stops and removes dependents first, then the network; volumes and images stay', () => {
    const cause = 'the project app goes down';
    expect(describePlan(planDown(downProject(project), observed))).toBe(
      [
        `stop container app-web-1: ${cause}`,
        `remove container app-web-1: ${cause} (after stop container app-web-1)`,
        `stop container app-db-1: ${cause} (after remove container app-web-1)`,
        `remove container app-db-1: ${cause} (after remove container app-web-1, stop container app-db-1)`,
        `remove network app_default: ${cause} (after remove container app-web-1, remove container app-db-1)`,
      ].join('\n'),
    );
  });

  it('removes volumes by --volumes, and images without a name of their own by --rmi local', () => {
    const local = describePlan(planDown(downProject(project), observed, { volumes: true, images: 'local' }));
    expect(local).toContain('remove volume app_data: asked for by --volumes');
    expect(local).toContain('remove image app-web: asked for by --rmi');
    expect(local).not.toContain('remove image db');
    expect(describePlan(planDown(downProject(project), observed, { images: 'all' }))).toContain(
      'remove image db',
    );
  });

  it('leaves the network of a container that it does not remove, and says so', () => {
    const orphans = observed.containers
      .slice(0, 1)
      .map((container) => ({ ...container, service: 'old', name: 'app-old-1', dependsOn: [] }));
    const containers = [...observed.containers, ...orphans];
    const text = describePlan(planDown(downProject(project), { ...observed, containers }));
    expect(text).toContain('warning: the network app_default stays: app-old-1 uses it');
    expect(text).not.toContain('remove network');
  });

  it('has nothing to do where nothing is', () => {
    expect(planDown(downProject(project), emptyEngine({})).steps).toEqual([]);
  });
});

describe('a plan to stop and start', () => {
  it('stops dependents first and starts dependencies first', () => {
    expect(describePlan(planStop(observed.containers))).toBe(
      'stop container app-web-1: asked for\nstop container app-db-1: asked for (after stop container app-web-1)',
    );
    const stopped = observed.containers.map((container) => ({ ...container, state: 'exited' as const }));
    expect(describePlan(planStart(stopped))).toBe(
      'start container app-db-1: asked for\nstart container app-web-1: asked for (after start container app-db-1)',
    );
    expect(describePlan(planRestart(observed.containers))).toBe(
      'restart container app-db-1: asked for\nrestart container app-web-1: asked for (after restart container app-db-1)',
    );
  });

  it('leaves what stands still, and what runs, as it is', () => {
    expect(planStart(observed.containers).steps).toEqual([]);
  });
});
