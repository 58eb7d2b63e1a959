import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { makeElf } from './elf.ts';
import { type Instance, startInstance } from './instance.ts';

interface Summary {
  readonly Status: string;
  readonly Berth?: { readonly Reason: string };
}

interface End {
  readonly ExitCode: number;
  readonly Cause: string;
  readonly Reason: string;
  readonly Explanation: readonly string[];
  readonly Signal?: { readonly Number: number; readonly Sender: string };
  readonly Memory?: { readonly Peak: number; readonly Limit: number | null };
  readonly Restarted: boolean;
  readonly Log: readonly { readonly Stream: string; readonly Text: string }[];
}

const MEBIBYTE = 1024 * 1024;

describe('the end of a container leaves a report', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-why-');
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const summary = async (name: string): Promise<Summary> => {
    const filters = encodeURIComponent(JSON.stringify({ name: [`^${name}$`] }));
    const { body } = await instance.api(`GET /containers/json?all=1&filters=${filters}`);
    const [found] = body as Summary[];
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  };
  const ends = async (name: string): Promise<readonly End[]> => {
    const { body } = await instance.api(`GET /containers/${name}/json`);
    return (body as { State: { Berth?: { Ends: End[] } } }).State.Berth?.Ends ?? [];
  };
  const start = async (name: string, script: string, ...options: string[]) => {
    await instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sh', '-c', script]);
  };
  const said = (name: string, word: string) =>
    expect.poll(() => instance.berthOk(['logs', name]), { timeout: 10_000 }).toContain(word);
  const pidOf = async (name: string) =>
    Number(await instance.berthOk(['inspect', '-f', '{{.State.Pid}}', name]));

  it('with the exit code in words and the last lines of the log', async () => {
    await start('failed', 'for i in $(seq 20); do echo line $i; done; echo no such table >&2; exit 3');
    await instance.berthOk(['wait', 'failed']);
    const [end] = await ends('failed');
    expect(end).toMatchObject({
      ExitCode: 3,
      Cause: 'exit',
      Reason: '',
      Explanation: ['It ended by itself with exit code 3: an error of its own.'],
    });
    expect(end?.Log).toHaveLength(10);
    expect(end?.Log).toContainEqual({
      Stream: 'stderr',
      Text: 'no such table',
      Time: expect.stringMatching(/^2/),
    });
    expect(await summary('failed')).not.toHaveProperty('Berth');
    const text = await instance.berthOk(['why', 'failed']);
    expect(text).toMatch(/^failed: Exited \(3\) .* ago\n {2}It ended by itself with exit code 3/);
    expect(text).toContain('    no such table');
  });

  it('for a lack of memory, with the limit and the peak, and a few words of it in ps', async () => {
    await start('hungry', 'x=a; while true; do x=$x$x; done', '-m', '16m');
    await instance.berthOk(['wait', 'hungry']);
    expect(await ends('hungry')).toMatchObject([
      { ExitCode: 137, Cause: 'out-of-memory', Memory: { Peak: 16 * MEBIBYTE, Limit: 16 * MEBIBYTE } },
    ]);
    const { Status, Berth } = await summary('hungry');
    expect(Status).toMatch(/^Exited \(137\) .* ago$/);
    expect(Berth).toEqual({ Reason: 'out of memory (limit 16MiB)' });
    const shown = await instance.berthOk(['ps', '-a', '-f', 'name=hungry', '--format', '{{.Status}}']);
    expect(shown).toBe(`${Status}: out of memory (limit 16MiB)`);
    expect(await instance.berthOk(['why', 'hungry'])).toContain(
      'Its limit is 16MiB. It had at most 16MiB in use at once.',
    );
  });

  it('for a lack of memory of another process than the first', async () => {
    const script = '(x=a; while true; do x=$x$x; done); echo child: $?; exit 4';
    await start('parent', script, '-m', '16m');
    await instance.berthOk(['wait', 'parent']);
    expect(await ends('parent')).toMatchObject([
      { ExitCode: 4, Cause: 'out-of-memory', Reason: 'a process was out of memory (limit 16MiB)' },
    ]);
  });

  it('with the signal and the operation that sent it: stop, kill, or SIGKILL after the grace time', async () => {
    await start('stopped', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done');
    await said('stopped', 'ready');
    await instance.berthOk(['stop', 'stopped']);
    expect(await ends('stopped')).toMatchObject([
      { ExitCode: 7, Cause: 'exit', Reason: 'stop sent SIGTERM' },
    ]);

    await start('stubborn', 'trap "" TERM; echo ready; while :; do sleep 1; done');
    await said('stubborn', 'ready');
    await instance.berthOk(['stop', '-t', '1', 'stubborn']);
    expect(await ends('stubborn')).toMatchObject([
      {
        Cause: 'signal',
        Signal: { Number: 9, Sender: 'stop' },
        Reason: 'stop sent SIGKILL: it lived on for 1 s after SIGTERM',
      },
    ]);

    await start('killed', 'sleep 1000');
    await instance.berthOk(['kill', 'killed']);
    expect(await ends('killed')).toMatchObject([
      { ExitCode: 137, Cause: 'signal', Signal: { Number: 9, Sender: 'kill' } },
    ]);
  });

  it('that tells a signal from outside, and one that the container brought upon itself', async () => {
    await start('outside', 'sleep 1000');
    process.kill(await pidOf('outside'), 'SIGKILL');
    await instance.berthOk(['wait', 'outside']);
    expect(await ends('outside')).toMatchObject([
      {
        Cause: 'signal',
        Signal: { Number: 9, Sender: 'outside' },
        Reason: 'SIGKILL from outside of berth',
      },
    ]);

    await writeFile(`${folder}/crash`, makeElf(), { mode: 0o755 });
    const mount = ['-v', `${folder}/crash:/crash`];
    const { code } = await instance.berth(['run', '--name', 'crashed', ...mount, 'busybox', '/crash']);
    expect(code).toBe(132);
    expect(await ends('crashed')).toMatchObject([
      {
        Signal: { Number: 4, Sender: 'itself' },
        Reason: 'SIGILL: it ran an instruction that the processor does not have',
      },
    ]);
  });

  it('for a start that failed, too', async () => {
    const { code } = await instance.berth(['run', '--name', 'unstarted', 'busybox', 'no-such-command']);
    expect(code).toBe(127);
    expect(await ends('unstarted')).toMatchObject([{ ExitCode: 127, Cause: 'start-failure' }]);
    const text = await instance.berthOk(['why', 'unstarted']);
    expect(text).toContain('It could not be started: ');
    expect(text).toContain('no-such-command');
    expect(await instance.berthOk(['ps', '-a', '-f', 'name=unstarted', '--format', '{{.Status}}'])).toMatch(
      /^Created: .*no-such-command/,
    );
  });

  it('which is kept through restarts of the container, the last five of them', async () => {
    await start('again', 'n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; echo run $n; exit $n');
    await instance.berthOk(['wait', 'again']);
    for (let round = 1; round < 6; round += 1) {
      await instance.berthOk(['start', 'again']);
      await instance.berthOk(['wait', 'again']);
    }
    const kept = await ends('again');
    expect(kept.map(({ ExitCode: code }) => code)).toEqual([5, 4, 3, 2, 1]);
    // Each with the lines of its own run.
    expect(kept.map(({ Log }) => Log.map(({ Text: text }) => text))).toEqual(
      [5, 4, 3, 2, 1].map((run) => [`run ${run}`]),
    );
    const text = await instance.berthOk(['why', 'again']);
    expect(text).toMatch(/Before that:\n( {4}.* ago: exit code [1-4]\n?){4}$/);
    expect(await instance.berthOk(['why', '--all', 'again'])).toContain('    run 1');
  });

  it('also of what ended while berthd was dead, and keeps what it knew before', async () => {
    await start('orphan', 'echo last words; x=a; while true; do x=$x$x; sleep 0.01; done', '-m', '16m');
    await start('signalled', 'sleep 1000');
    const pid = await pidOf('signalled');
    await instance.killDaemon();
    process.kill(pid, 'SIGKILL');
    await instance.startDaemon();
    await instance.berthOk(['wait', 'orphan', 'signalled']);
    expect(await ends('orphan')).toMatchObject([
      {
        Cause: 'out-of-memory',
        Memory: { Peak: 16 * MEBIBYTE, Limit: 16 * MEBIBYTE },
        Log: [{ Text: 'last words' }],
      },
    ]);
    expect(await ends('signalled')).toMatchObject([{ Signal: { Number: 9, Sender: 'outside' } }]);
    expect(await ends('killed')).toMatchObject([{ Signal: { Sender: 'kill' } }]);
  });

  it('of a supervisor that was killed, whose container went with it', async () => {
    await start('beheaded', 'sleep 1000');
    const { stdout } = await run('ps', ['-o', 'ppid=', '-p', String(await pidOf('beheaded'))]);
    process.kill(Number(stdout.toString()), 'SIGKILL');
    await instance.berthOk(['wait', 'beheaded']);
    expect(await ends('beheaded')).toMatchObject([{ Cause: 'unknown', Reason: 'its supervisor was killed' }]);
  });

  it('which says when the log driver keeps nothing, and goes with the container', async () => {
    await start('mute', 'echo lost; exit 2', '--log-driver', 'none');
    await instance.berthOk(['wait', 'mute']);
    expect(await instance.berthOk(['why', 'mute'])).toContain('Its log driver (none) keeps no lines');
    await instance.berthOk(['rm', 'mute']);
    const { code, stderr } = await instance.berth(['why', 'mute']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('No such container: mute')]);
    await instance.berthOk(['create', '--name', 'mute', 'busybox', 'true']);
    expect(await instance.berthOk(['why', 'mute'])).toContain('It was never started.');
  });
});
