/** The names that a benchmark uses on every engine; `reference` is pulled from the loopback registry. */
export interface Subject {
  readonly reference: string;
  /** What `docker build` makes from examples/flask. */
  readonly built: string;
  /** A container that sleeps, for exec, ps and the memory of its supervisor. */
  readonly sleeper: string;
  /** A folder with the tutorial's Dockerfile, `FROM` the reference. */
  readonly context: string;
  /** The reference as `docker save` writes it: made by the first engine, loaded by all. */
  readonly archive: string;
}

/** One line of the table: what `docker -H ENGINE` is timed with. */
export interface Measurement {
  readonly title: string;
  readonly args: readonly string[];
  readonly runs: number;
  /** Run before each timed one, not counted. */
  readonly prepare?: readonly string[];
  /** At most this many times as long as dockerd takes: a goal. */
  readonly goalRatio?: number;
  /** At most this many milliseconds: a goal. */
  readonly goalMs?: number;
}

/** Pull, load, save and rmi, which must come before anything that holds the image; each finds it as the one before leaves it. */
export function transferMeasurements({ reference, archive }: Subject): Measurement[] {
  return [
    {
      title: 'pull from a loopback registry',
      args: ['pull', '-q', reference],
      runs: 3,
      prepare: ['rmi', reference],
    },
    {
      title: 'load',
      args: ['load', '-q', '-i', archive],
      runs: 3,
      prepare: ['rmi', reference],
      goalRatio: 0.2,
    },
    { title: 'save', args: ['save', '-o', `${archive}.again`, reference], runs: 3 },
    { title: 'rmi', args: ['rmi', reference], runs: 3, prepare: ['pull', '-q', reference] },
  ];
}

/** What people do all day, with the image there, one container running and the tutorial built. */
export function dailyMeasurements({ reference, built, sleeper, context }: Subject): Measurement[] {
  const runTrue = (...flags: string[]) => ['run', '--rm', ...flags, reference, 'true'];
  return [
    { title: 'run --rm IMAGE true, on the bridge', args: runTrue(), runs: 15, goalRatio: 0.5 },
    { title: 'the same with a published port', args: runTrue('-p', '127.0.0.1::5050'), runs: 10 },
    { title: 'the same with --network none', args: runTrue('--network', 'none'), runs: 15 },
    { title: 'exec true', args: ['exec', sleeper, 'true'], runs: 20 },
    { title: 'ps', args: ['ps'], runs: 20 },
    {
      title: 'cached build of the tutorial',
      args: ['build', '-q', '-t', built, context],
      runs: 10,
      goalMs: 100,
    },
  ];
}
