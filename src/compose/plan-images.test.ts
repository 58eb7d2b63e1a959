import { describe, expect, it } from 'vitest';
import { describePlan } from './plan.ts';
import { type ImageOptions, planBuilds, planImages } from './plan-images.ts';
import { selectServices } from './selection.ts';
import { projectOf } from './testing/projects.ts';

const MIXED = 'services: { web: { build: . }, db: { image: "db:1" } }';

function images(text: string, there: readonly string[], options: ImageOptions = {}): string {
  const project = projectOf(text);
  const known = new Map(there.map((name) => [name, `sha256:${name}`]));
  return describePlan(planImages(project, selectServices(project, []), { images: known }, options));
}

describe('a plan for images', () => {
  it('builds and pulls what is missing, side by side', () => {
    expect(images(MIXED, [])).toBe('pull image db:1: it is not there\nbuild image app-web: it is not there');
    expect(images(MIXED, ['app-web', 'db:1'])).toBe('');
  });

  it('builds what is there by --build, and nothing by --no-build', () => {
    expect(images(MIXED, ['app-web', 'db:1'], { build: 'always' })).toBe('build image app-web: asked for');
    expect(() => images(MIXED, ['db:1'], { build: 'never' })).toThrow(/service "web" has no image app-web/);
  });

  it('follows pull_policy, and --pull before it', () => {
    const always = 'services: { db: { image: "db:1", pull_policy: always } }';
    expect(images(always, ['db:1'])).toBe('pull image db:1: its pull_policy is always');
    expect(images(always, ['db:1'], { pull: 'missing' })).toBe('');
    const never = 'services: { db: { image: "db:1", pull_policy: never } }';
    expect(() => images(never, [])).toThrow(/db:1 is not there, and its pull_policy is never/);
    expect(() => images('services: { db: { image: a, pull_policy: daily } }', [])).toThrow(
      /daily is not implemented/,
    );
  });

  it('pulls an image once that two services have', () => {
    expect(images('services: { a: { image: x }, b: { image: x } }', [])).toBe(
      'pull image x: it is not there',
    );
  });

  it("lays a command's build arguments over the file's", () => {
    const project = projectOf('services: { web: { build: { context: ., args: { A: "1", B: "2" } } } }');
    const plan = planBuilds(project, selectServices(project, []), {
      args: new Map([['B', '3']]),
      noCache: true,
    });
    const [step] = plan.steps;
    expect(step?.action).toMatchObject({
      build: {
        args: new Map([
          ['A', '1'],
          ['B', '3'],
        ]),
        noCache: true,
      },
    });
  });
});
