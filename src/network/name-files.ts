import type { NamedEndpoint, NameView } from './contract.ts';

/** The file of one network; undefined when nobody is in it. */
export function networkText(members: readonly NamedEndpoint[]): string | undefined {
  const [first] = members;
  if (first === undefined) return undefined;
  return text([
    `network ${first.network.name}`,
    ...members.flatMap(({ addresses, title }) => addresses.map((address) => `host ${address} ${title}`)),
    ...members.flatMap(({ addresses, names }) =>
      namesOnce(names).flatMap((name) => addresses.map((address) => `name ${name} ${address}`)),
    ),
  ]);
}

/** The file of one container's view. */
export function viewText({ networks, forward, servers, search }: NameView): string {
  return text([
    ...networks.map(({ id }) => `network ${id}`),
    ...networks.flatMap(({ id, links }) =>
      links
        .filter(({ alias, target }) => isServableName(alias) && isServableName(target))
        .map(({ alias, target }) => `link ${id} ${alias} ${target}`),
    ),
    ...(forward ? ['forward'] : []),
    ...servers.slice(0, MOST_SERVERS).map((address) => `server ${address}`),
    ...namesOnce(search).map((domain) => `search ${domain}`),
  ]);
}

/** SERVERS_MAX of native/resolver/records.h. */
const MOST_SERVERS = 8;

/** Whether DNS can carry a name (RFC 1035, 2.3.4): labels of 1 to 63 bytes, 253 in all, and no white space. */
export function isServableName(name: string): boolean {
  return (
    Buffer.byteLength(name) <= 253 &&
    !/[\s\p{Cc}]/u.test(name) &&
    name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= 63)
  );
}

/** Names are the same whatever the case of their letters. A host name may be one that no name can be: it is left out. */
function namesOnce(names: readonly string[]): string[] {
  return [...new Set(names.filter(isServableName).map((name) => name.toLowerCase()))];
}

function text(lines: readonly string[]): string {
  return `${['berth-names 1', ...lines, 'end'].join('\n')}\n`;
}
