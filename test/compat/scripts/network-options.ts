import type { Script } from '../script.ts';

const create = (name: string, ipam: object, options: object = {}) => ({
  name,
  request: 'POST /networks/create',
  body: { Name: 'compat-options', IPAM: { Config: [ipam] }, Options: options },
});

export const networkOptions: Script = {
  name: 'network-options',
  steps: [
    {
      name: 'create with everything',
      request: 'POST /networks/create',
      body: {
        Name: 'compat-options',
        Attachable: true,
        IPAM: {
          Config: [
            {
              Subnet: '10.201.0.0/24',
              IPRange: '10.201.0.16/30',
              Gateway: '10.201.0.9',
              AuxiliaryAddresses: { router: '10.201.0.17' },
            },
          ],
        },
        Options: {
          'com.docker.network.bridge.enable_icc': 'false',
          'com.docker.network.bridge.enable_ip_masquerade': 'false',
          'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1',
        },
      },
    },
    { name: 'inspect', request: 'GET /networks/compat-options' },
    {
      name: 'container',
      request: 'POST /containers/create?name=compat-o',
      body: {
        Image: 'busybox:latest',
        Cmd: ['sleep', '1000'],
        ExposedPorts: { '80/tcp': {} },
        HostConfig: { NetworkMode: 'compat-options', PortBindings: { '80/tcp': [{ HostPort: '' }] } },
      },
    },
    { name: 'start', request: 'POST /containers/compat-o/start' },
    { name: 'inspect with a member', request: 'GET /networks/compat-options' },
    { name: 'remove the container', request: 'DELETE /containers/compat-o?force=1' },
    { name: 'remove', request: 'DELETE /networks/compat-options' },
    {
      name: 'create with IPv6',
      request: 'POST /networks/create',
      body: {
        Name: 'compat-six',
        EnableIPv6: true,
        IPAM: { Config: [{ Subnet: '10.203.0.0/24' }, { Subnet: 'fd00:203::/64', Gateway: 'fd00:203::9' }] },
      },
    },
    {
      name: 'container with IPv6',
      request: 'POST /containers/create?name=compat-s',
      body: {
        Image: 'busybox:latest',
        Cmd: ['sleep', '1000'],
        HostConfig: { NetworkMode: 'compat-six' },
        NetworkingConfig: {
          EndpointsConfig: { 'compat-six': { IPAMConfig: { IPv6Address: 'fd00:203::33' } } },
        },
      },
    },
    { name: 'start with IPv6', request: 'POST /containers/compat-s/start' },
    { name: 'inspect with IPv6', request: 'GET /networks/compat-six' },
    { name: 'inspect the container with IPv6', request: 'GET /containers/compat-s/json' },
    { name: 'remove the container with IPv6', request: 'DELETE /containers/compat-s?force=1' },
    { name: 'remove with IPv6', request: 'DELETE /networks/compat-six' },
    create('range outside', { Subnet: '10.201.0.0/24', IPRange: '10.202.0.0/28' }),
    create('reserved outside', { Subnet: '10.201.0.0/24', AuxiliaryAddresses: { a: '10.202.0.1' } }),
    create('gateway outside', { Subnet: '10.201.0.0/24', Gateway: '10.202.0.1' }),
    create('no CIDR', { Subnet: '10.201.0.0' }),
    create('host bits', { Subnet: '10.201.0.7/24' }),
    create('no boolean', { Subnet: '10.201.0.0/24' }, { 'com.docker.network.bridge.enable_icc': 'maybe' }),
    create(
      'no address',
      { Subnet: '10.201.0.0/24' },
      { 'com.docker.network.bridge.host_binding_ipv4': 'nope' },
    ),
    create('no number', { Subnet: '10.201.0.0/24' }, { 'com.docker.network.driver.mtu': 'big' }),
    {
      name: 'two subnets',
      request: 'POST /networks/create',
      body: {
        Name: 'compat-options',
        IPAM: { Config: [{ Subnet: '10.201.0.0/24' }, { Subnet: '10.202.0.0/24' }] },
      },
    },
    {
      name: 'bad IPAM driver',
      request: 'POST /networks/create',
      body: { Name: 'compat-options', IPAM: { Driver: 'dhcp' } },
    },
  ],
};
