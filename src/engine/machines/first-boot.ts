import { invalid } from '../../base/index.ts';
import type { FirstBoot } from '../containers/computer/options.ts';
import type { ContainerContext } from '../containers/context.ts';
import { hostnameOf, requireHostname } from './names.ts';
import type { NewMachine } from './new-machine.ts';

const DEFAULT_USER = 'berth';

/** What a machine's system is told at its first boot, with what the request leaves open; checked. */
export function firstBootOf(context: ContainerContext, { firstBoot }: NewMachine, name: string): FirstBoot {
  const { hostname = hostnameOf(name), user = DEFAULT_USER, userData, ...lists } = firstBoot;
  requireHostname(hostname);
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user)) {
    throw invalid(`"${user}" is no name of a user`, {
      hint: 'It has 1 to 32 lower-case letters, digits, "-" and "_" (useradd(8))',
    });
  }
  const chosen: FirstBoot = { hostname, user, ...lists, ...(userData === undefined ? {} : { userData }) };
  context.parts.firstBootMedia.check(chosen);
  return chosen;
}
