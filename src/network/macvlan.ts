import { BerthError, conflict, isBerthError, notFound, notImplemented, unavailable } from '../base/index.ts';
import type { Endpoint, MacvlanNetwork } from './contract.ts';
import { type HostLink, type IpStream, isLinkGone } from './iproute.ts';
import { configure } from './veth.ts';

/**
 * Commands for an interface on a link of the host's, born in the container's namespace (ip-link(8), macvlan). It goes with
 * the namespace; nothing of it is on the host.
 */
export function makeMacvlan(endpoint: Endpoint, network: MacvlanNetwork, namespacePath: string): string[] {
  const { containerInterface } = endpoint;
  const { parent, mode } = network;
  return [`link add ${containerInterface} link ${parent} netns ${namespacePath} type macvlan mode ${mode}`];
}

/** In the namespace: addresses and routes, and what a private one's MAC address is. */
export function configureMacvlan(endpoint: Endpoint, network: MacvlanNetwork): string[] {
  // The address is set before the interface is up: the link's other members must not see two.
  return [
    `link set ${endpoint.containerInterface} address ${endpoint.macAddress}`,
    ...configure(endpoint, network),
  ];
}

/** The interface that a network is to be on. Throws `not-found` when the host has none of that name. */
export function requireParent(links: readonly HostLink[], parent: string): HostLink {
  const link = links.find(({ name }) => name === parent);
  if (link !== undefined) return link;
  throw notFound(`the host has no interface ${parent} for a macvlan network`, {
    hint: `Name one of these: -o parent=${links
      .map(({ name }) => name)
      .filter((name) => name !== 'lo')
      .join(', ')}`,
  });
}

/** Makes the interface of a network that has none of the host's, or finds it there. Throws `unavailable` where the kernel cannot. */
export async function ensureOwnParent(
  ip: IpStream,
  { name, parent }: Pick<MacvlanNetwork, 'name' | 'parent'>,
  { owner, links }: { owner: string; links: readonly HostLink[] },
): Promise<void> {
  if (links.some((link) => link.name === parent)) return;
  try {
    await ip.run([`link add ${parent} type dummy`]);
  } catch (error) {
    throw unavailable(
      `this kernel has no dummy interfaces, which the macvlan network ${name} without a parent needs`,
      {
        hint: "Load the module dummy, or name an interface of the host's: -o parent=eth0",
        cause: error,
      },
    );
  }
  await ip.run([
    `link set ${parent} alias ${owner}`,
    `link set ${parent} addrgenmode none`,
    `link set ${parent} up`,
  ]);
}

/** What the kernel minds, with the network's name. */
export function explainMacvlan(error: unknown, { name, parent }: MacvlanNetwork): unknown {
  if (!isBerthError(error)) return error;
  if (isLinkGone(error)) {
    return new BerthError('unavailable', `the interface ${parent} of network ${name} is gone`, {
      cause: error,
    });
  }
  if (/Device or resource busy|Invalid argument/.test(error.message)) {
    return conflict(
      `the interface ${parent} of network ${name} cannot carry one more macvlan: ${error.message}`,
      {
        hint: 'An interface in mode passthru has one, and a port of a bridge none',
        cause: error,
      },
    );
  }
  if (/lacks what container networks need/.test(error.message)) {
    return unavailable(`this kernel has no macvlan, which network ${name} needs`, {
      hint: 'Load the module macvlan',
      cause: error,
    });
  }
  return error;
}

/** The refusal to slow a container down where no interface of the host's carries its traffic alone. */
export function unshaped({ name }: MacvlanNetwork) {
  return notImplemented(`options of rate and delay are not there on macvlan networks (${name})`, {
    hint: 'Use a bridge network',
  });
}
