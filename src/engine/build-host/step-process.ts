import { constants } from 'node:os';
import type { BerthError } from '../../base/index.ts';
import type { RunStep } from '../../build/index.ts';
import type { Supervisor } from '../../runtime/index.ts';
import { explainCommandFailure } from '../containers/start-failure.ts';
import type { EngineParts } from '../parts.ts';

/** Runs what a supervisor has prepared, and gives its output on; returns the exit code. `started` is called when its command runs. A step that is given up is killed. */
export async function runToEnd(
  supervisor: Supervisor,
  step: RunStep,
  started: () => Promise<void> = async () => {},
): Promise<number> {
  await using session = await supervisor.attach({ stdin: false, stdout: true, stderr: true });
  await supervisor.run(step.signal);
  const stop = () => void supervisor.signal(constants.signals.SIGKILL).catch(() => {});
  step.signal.addEventListener('abort', stop, { once: true });
  if (step.signal.aborted) stop(); // while it started
  try {
    await started();
    const decoder = new TextDecoder();
    for await (const { data } of session.output()) step.onOutput(decoder.decode(data, { stream: true }));
    const status = await supervisor.exited;
    step.signal.throwIfAborted();
    return status.kind === 'exited' ? status.code : 255;
  } finally {
    step.signal.removeEventListener('abort', stop);
  }
}

/** A failure of the step's command, with what its file says. */
export function explainStep(parts: EngineParts, step: RunStep, error: BerthError) {
  const { args, env, config, root, architecture, isolation } = step;
  const query = {
    program: args[0] ?? '',
    env,
    workingDir: config.WorkingDir ?? '/',
    user: config.User ?? '',
    on: { architecture, isMachine: isolation === 'vm' },
  };
  return explainCommandFailure(error, query, parts.log, async () => ({
    worker: await parts.launcher.openFiles(root),
    mounts: [],
  }));
}
