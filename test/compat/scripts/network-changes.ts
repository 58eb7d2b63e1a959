import type { Script, Step } from '../script.ts';

const sleeper = (networkMode: string, rest: object = {}) => ({
  Image: 'busybox:latest',
  Cmd: ['sleep', '1000'],
  Hostname: 'compat-host',
  HostConfig: { NetworkMode: networkMode, ...rest },
});

const connect = (name: string, network: string, Container: string, EndpointConfig?: object): Step => ({
  name,
  request: `POST /networks/${network}/connect`,
  body: EndpointConfig === undefined ? { Container } : { Container, EndpointConfig },
});

const disconnect = (name: string, network: string, Container: string, Force = false): Step => ({
  name,
  request: `POST /networks/${network}/disconnect`,
  body: { Container, Force },
});

/** Containers that are connected to networks and disconnected from them, running or not. */
export const networkChanges: Script = {
  name: 'network-changes',
  steps: [
    { name: 'create one', request: 'POST /networks/create', body: { Name: 'compat-one' } },
    {
      name: 'create two',
      request: 'POST /networks/create',
      body: { Name: 'compat-two', IPAM: { Config: [{ Subnet: '10.213.7.0/24' }] } },
    },
    { name: 'container', request: 'POST /containers/create?name=compat-m', body: sleeper('compat-one') },
    connect('connect a container that was not started', 'compat-two', 'compat-m', { Aliases: ['compat-a'] }),
    disconnect('and disconnect it', 'compat-two', 'compat-m'),
    disconnect('disconnect it again', 'compat-two', 'compat-m'),
    { name: 'start', request: 'POST /containers/compat-m/start' },
    connect('connect', 'compat-two', 'compat-m', {
      Aliases: ['compat-a'],
      IPAMConfig: { IPv4Address: '10.213.7.77' },
      Links: ['compat-x:compat-y'],
    }),
    { name: 'inspect a member of both', request: 'GET /containers/compat-m/json' },
    { name: 'inspect the network', request: 'GET /networks/compat-two' },
    connect('connect again', 'compat-two', 'compat-m'),
    disconnect('disconnect', 'compat-two', 'compat-m'),
    disconnect('disconnect again', 'compat-two', 'compat-m'),
    disconnect('disconnect again by force', 'compat-two', 'compat-m', true),
    connect('with an address outside', 'compat-two', 'compat-m', {
      IPAMConfig: { IPv4Address: '10.214.7.77' },
    }),
    connect('to an unknown network', 'compat-nothing', 'compat-m'),
    connect('of an unknown container', 'compat-two', 'compat-nobody'),
    connect('of no container', 'compat-two', ''),
    disconnect('an unknown container', 'compat-two', 'compat-nobody'),
    disconnect('an unknown container by force', 'compat-two', 'compat-nobody', true),
    connect('with an alias on the default network', 'bridge', 'compat-m', { Aliases: ['compat-a'] }),
    connect('with an address on the default network', 'bridge', 'compat-m', {
      IPAMConfig: { IPv4Address: '172.17.99.99' },
    }),
    connect("to the host's network", 'host', 'compat-m'),
    connect('to no network', 'none', 'compat-m'),
    disconnect('the last network', 'compat-one', 'compat-m'),
    { name: 'inspect without a network', request: 'GET /networks/compat-one' },
    connect('connect with a MAC address', 'compat-one', 'compat-m', { MacAddress: '02:42:0a:d5:07:4d' }),
    { name: 'inspect connected anew', request: 'GET /networks/compat-one' },
    { name: 'remove the container', request: 'DELETE /containers/compat-m?force=1' },
    {
      name: 'container on the host',
      request: 'POST /containers/create?name=compat-h',
      body: sleeper('host'),
    },
    { name: 'start on the host', request: 'POST /containers/compat-h/start' },
    connect("connect one that has the host's network", 'compat-one', 'compat-h'),
    disconnect("disconnect from the host's network", 'host', 'compat-h'),
    { name: 'remove that', request: 'DELETE /containers/compat-h?force=1' },
    { name: 'container without', request: 'POST /containers/create?name=compat-n', body: sleeper('none') },
    { name: 'start without', request: 'POST /containers/compat-n/start' },
    connect('connect one that has no network', 'compat-one', 'compat-n'),
    { name: 'remove it', request: 'DELETE /containers/compat-n?force=1' },
    {
      name: 'target of a link',
      request: 'POST /containers/create?name=compat-t',
      body: sleeper('bridge'),
    },
    {
      name: 'linked',
      request: 'POST /containers/create?name=compat-l',
      body: sleeper('bridge', { Links: ['compat-t:store'] }),
    },
    { name: 'start linked too early', request: 'POST /containers/compat-l/start' },
    { name: 'inspect linked', request: 'GET /containers/compat-l/json' },
    {
      name: 'linked to nobody',
      request: 'POST /containers/create?name=compat-z',
      body: sleeper('bridge', { Links: ['compat-nobody:store'] }),
    },
    { name: 'remove linked', request: 'DELETE /containers/compat-l?force=1' },
    { name: 'remove target', request: 'DELETE /containers/compat-t?force=1' },
    { name: 'remove one', request: 'DELETE /networks/compat-one' },
    { name: 'remove two', request: 'DELETE /networks/compat-two' },
  ],
};
