import type { ComputerMonitor } from '../monitor.ts';
import { objectsIn } from '../qmp-fields.ts';

/** Whether something in the guest has opened the agent's port: at once known, where asking an agent that is not there takes time. */
export async function hasGuestAgent(monitor: Pick<ComputerMonitor, 'execute'>): Promise<boolean> {
  const devices = objectsIn(await monitor.execute('query-chardev'));
  return devices.some((device) => device.label === 'agent' && device['frontend-open'] === true);
}
