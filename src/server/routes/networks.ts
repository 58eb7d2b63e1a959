import type { FastifyInstance } from 'fastify';
import { denied, notFound, notImplemented } from '../../base/index.ts';
import {
  type ContainerRecord,
  type Engine,
  isActive,
  isLinked,
  type NetworkRecord,
  type NewNetwork,
} from '../../engine/index.ts';
import type { AddressRange, LinkedNetwork } from '../../network/index.ts';
import { parseEndpoint } from '../container-request.ts';
import { Fields, Query } from '../fields.ts';
import { parseFilters, passes, passesLabels } from '../filters.ts';

/** Networks: list, create, inspect, remove, connect, disconnect. */
export function networkRoutes(app: FastifyInstance, engine: Engine): void {
  const { networks, containers } = engine;

  app.get('/networks', (request) => {
    const filters = parseFilters(new Query(request.query), [
      'driver',
      'id',
      'label',
      'name',
      'scope',
      'type',
      'dangling',
    ]);
    return networks
      .list()
      .filter(
        ({ network, labels, predefined }) =>
          passes(filters, 'name', (value) => network.name.includes(value)) &&
          passes(filters, 'id', (value) => network.id.startsWith(value)) &&
          passes(filters, 'driver', (value) => network.driver === value) &&
          passes(filters, 'scope', (value) => value === 'local') &&
          passes(filters, 'type', (value) => (value === 'builtin') === predefined) &&
          passesLabels(filters, labels),
      )
      .map((record) => networkSummary(record));
  });

  app.post('/networks/create', async (request, reply) => {
    const { network } = await networks.create(parseNetwork(new Fields(request.body)));
    reply.code(201);
    return { Id: network.id, Warning: '' };
  });

  app.get<Reference>('/networks/:id', (request) => {
    const record = networks.find(request.params.id);
    return { ...networkSummary(record), Containers: members(record, containers.everything()) };
  });

  app.delete<Reference>('/networks/:id', async (request, reply) => {
    const { network } = networks.find(request.params.id);
    await networks.remove(network.id, containers.networkUsers(network.id));
    reply.code(204);
  });

  app.post<Reference>('/networks/:id/connect', async (request, reply) => {
    const body = new Fields(request.body);
    const endpoint = parseEndpoint(request.params.id, body.object('EndpointConfig'));
    await containers.connect(body.text('Container'), endpoint);
    reply.code(200);
  });

  app.post<Reference>('/networks/:id/disconnect', async (request, reply) => {
    const body = new Fields(request.body);
    const target = { network: request.params.id, force: body.flag('Force') };
    await containers.disconnect(body.text('Container'), target);
    reply.code(200);
  });
}

interface Reference {
  Params: { id: string };
}

function parseNetwork(body: Fields): NewNetwork {
  if (body.has('EnableIPv4') && !body.flag('EnableIPv4')) {
    throw notImplemented('networks without IPv4 are not there yet');
  }
  if (body.flag('Attachable') && body.flag('Ingress')) throw notImplemented('ingress networks are not there');
  const ipamDriver = body.object('IPAM').text('Driver');
  if (ipamDriver !== '' && ipamDriver !== 'default') throw notFound(`plugin "${ipamDriver}" not found`);
  const ranges = body.object('IPAM').objects('Config').map(parseRange);
  const [ipv4 = {}, ...furtherIPv4] = ranges.filter(({ subnet = '' }) => !subnet.includes(':'));
  const [ipv6 = {}, ...furtherIPv6] = ranges.filter(({ subnet = '' }) => subnet.includes(':'));
  if (furtherIPv4.length + furtherIPv6.length > 0) {
    throw denied(`${body.text('Driver') || 'bridge'} driver doesn't support multiple subnets`);
  }
  return {
    name: body.text('Name'),
    driver: body.text('Driver') || 'bridge',
    internal: body.flag('Internal'),
    labels: body.textMap('Labels'),
    options: body.textMap('Options'),
    attachable: body.flag('Attachable'),
    ipv4,
    ipv6: body.flag('EnableIPv6') ? ipv6 : undefined,
  };
}

function parseRange(pool: Fields): Partial<AddressRange> {
  const [subnet, gateway, ipRange] = ['Subnet', 'Gateway', 'IPRange'].map(
    (name) => pool.text(name) || undefined,
  );
  const reserved = pool.textMap('AuxiliaryAddresses');
  return {
    ...(subnet === undefined ? {} : { subnet }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(ipRange === undefined ? {} : { ipRange }),
    ...(Object.keys(reserved).length === 0 ? {} : { reserved }),
  };
}

function networkSummary({ network, createdAt, labels, options, attachable = false }: NetworkRecord) {
  return {
    Name: network.name,
    Id: network.id,
    Created: createdAt,
    Scope: 'local',
    Driver: network.driver === 'none' ? 'null' : network.driver,
    EnableIPv4: true,
    EnableIPv6: isLinked(network) && network.ipv6 !== undefined,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: isLinked(network) ? addressPools(network) : null,
    },
    Internal: isLinked(network) && network.internal,
    Attachable: attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Options: options,
    Labels: labels,
  };
}

function addressPools(network: LinkedNetwork) {
  const { ipv6, ...ipv4 } = network;
  const modes = network.driver === 'bridge' ? network.gatewayModes : undefined;
  const pools = [
    { ...ipv4, mode: modes?.ipv4 },
    ...(ipv6 === undefined ? [] : [{ ...ipv6, mode: modes?.ipv6 }]),
  ];
  return pools.map(({ subnet, gateway, ipRange, reserved, mode }) => ({
    Subnet: subnet,
    ...(ipRange === undefined ? {} : { IPRange: ipRange }),
    ...(mode === 'isolated' ? {} : { Gateway: gateway }),
    ...(reserved === undefined ? {} : { AuxiliaryAddresses: reserved }),
  }));
}

function members({ network }: NetworkRecord, containers: readonly ContainerRecord[]) {
  return Object.fromEntries(
    containers.flatMap(({ id, name, state }) => {
      const endpoint = isActive(state)
        ? state.endpoints.find(({ networkId }) => networkId === network.id)
        : undefined;
      if (endpoint === undefined) return [];
      return [
        [
          id,
          {
            Name: name,
            EndpointID: `${id.slice(0, 32)}${network.id.slice(0, 32)}`,
            MacAddress: endpoint.macAddress,
            IPv4Address: `${endpoint.address}/${endpoint.prefixLength}`,
            IPv6Address:
              endpoint.ipv6 === undefined ? '' : `${endpoint.ipv6.address}/${endpoint.ipv6.prefixLength}`,
          },
        ],
      ];
    }),
  );
}
