import { listeningPorts } from '../../network/index.ts';
import type { Supervisor } from '../../runtime/index.ts';
import { type ContainerRecord, hasOwnKernel } from './container.ts';
import { type ContainerContext, emit } from './context.ts';

/**
 * Turns the first refused connection of each published port into an event that says where the container does
 * listen: the usual cause is a wrong port in -p.
 */
export function reportPortRefusals(
  context: ContainerContext,
  record: ContainerRecord,
  supervisor: Supervisor,
): void {
  if (hasOwnKernel(record)) return; // its guest's sockets cannot be seen from here
  const reported = new Set<string>();
  const stop = supervisor.onPortRefused(({ port }) => {
    const key = `${port.protocol}/${port.containerPort}`;
    const pid = supervisor.started?.pid;
    if (reported.has(key) || pid === undefined) return;
    reported.add(key);
    listeningPorts(pid, port.protocol)
      .then((listening) => {
        // A server that is still starting listens nowhere yet: the next refusal may know more.
        if (listening.length === 0) {
          reported.delete(key);
          return;
        }
        emit(context, record, 'port-refused', {
          protocol: port.protocol,
          hostPort: String(port.hostPort),
          containerPort: String(port.containerPort),
          listening: listening.join(','),
        });
      })
      .catch(() => reported.delete(key));
  });
  void supervisor.exited.then(stop);
}
