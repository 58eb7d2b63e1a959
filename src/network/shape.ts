import { type BerthError, internal, run, unavailable } from '../base/index.ts';
import type { Endpoint, Shape } from './contract.ts';

/**
 * Slows an endpoint down, in both directions: what leaves the host's end of the pair goes to the container, what leaves the
 * inner end comes from it (tc(8)). Throws `unavailable` naming what the kernel lacks.
 */
export async function shapeEndpoint(endpoint: Endpoint, shape: Shape, namespacePath: string): Promise<void> {
  const inside = ['nsenter', `--net=${namespacePath}`];
  await runTc([], endpoint.hostInterface, shape);
  await runTc(inside, endpoint.containerInterface, shape);
}

async function runTc(prefix: readonly string[], device: string, shape: Shape): Promise<void> {
  const [file = 'tc', ...args] = [
    ...prefix,
    'tc',
    'qdisc',
    'replace',
    'dev',
    device,
    'root',
    ...discipline(shape),
  ];
  const { code, stderr } = await run(file, args);
  if (code !== 0) throw tcFailure(stderr, shape);
}

/** A token bucket for a rate alone (tc-tbf(8)); a delay needs netem, which limits the rate too (tc-netem(8)). */
function discipline({ rate, delay }: Shape): string[] {
  if (delay !== undefined) {
    const limited = rate === undefined ? [] : ['rate', `${rate}bit`];
    return ['netem', 'delay', `${delay}ms`, ...limited, 'limit', '100000'];
  }
  if (rate === undefined) return ['pfifo_fast'];
  const burst = Math.max(LEAST_BURST, Math.ceil((rate / 8) * BURST_SECONDS));
  return ['tbf', 'rate', `${rate}bit`, 'burst', `${burst}`, 'latency', '100ms'];
}

/** Bytes: what the kernel may put together into one packet (GSO). */
const LEAST_BURST = 65_536;
/** As much as passes between two ticks of the coarsest kernel timer. */
const BURST_SECONDS = 0.01;

function tcFailure(stderr: string, { delay }: Shape): BerthError {
  const reason = /Error: (.*)/.exec(stderr)?.[1] ?? stderr.trim();
  if (!/kind is unknown/.test(reason))
    return internal(`tc refused to slow a container's network down: ${reason}`);
  const [option, module] = delay === undefined ? ['rate', 'sch_tbf'] : ['delay', 'sch_netem'];
  return unavailable(`this kernel lacks ${module}, which the network option ${option} needs`, {
    hint: `Load the module ${module}, or leave the option out`,
  });
}
