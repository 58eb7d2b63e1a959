import type { FastifyInstance } from 'fastify';
import { denied, notFound, notImplemented } from '../../base/index.ts';
import {
  type ContainerRecord,
  type Engine,
  isActive,
  isBridge,
  type NetworkRecord,
  type NewNetwork,
} from '../../engine/index.ts';
import type { BridgeNetwork } from '../../network/index.ts';
import { Fields, Query } from '../fields.ts';
import { parseFilters, passes, passesLabels } from '../filters.ts';

/** Networks: list, create, inspect, remove. */
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
    return { ...networkSummary(record), Containers: members(record, containers.list()) };
  });

  app.delete<Reference>('/networks/:id', async (request, reply) => {
    const { network } = networks.find(request.params.id);
    await networks.remove(network.id, containers.networkUsers(network.id));
    reply.code(204);
  });

  for (const action of ['connect', 'disconnect']) {
    app.post(`/networks/:id/${action}`, () => {
      throw notImplemented(`network ${action} is not there yet`, {
        hint: 'Name the networks when the container is created',
      });
    });
  }
}

interface Reference {
  Params: { id: string };
}

function parseNetwork(body: Fields): NewNetwork {
  if (body.flag('Attachable') && body.flag('Ingress')) throw notImplemented('ingress networks are not there');
  const ipamDriver = body.object('IPAM').text('Driver');
  if (ipamDriver !== '' && ipamDriver !== 'default') throw notFound(`plugin "${ipamDriver}" not found`);
  const [pool, second] = body.object('IPAM').objects('Config');
  if (second !== undefined) throw denied("bridge driver doesn't support multiple subnets");
  return {
    name: body.text('Name'),
    driver: body.text('Driver') || 'bridge',
    internal: body.flag('Internal'),
    enableIPv6: body.flag('EnableIPv6'),
    labels: body.textMap('Labels'),
    options: body.textMap('Options'),
    subnet: pool?.text('Subnet') || undefined,
    gateway: pool?.text('Gateway') || undefined,
    ipRange: pool?.text('IPRange') || undefined,
    reserved: pool?.textMap('AuxiliaryAddresses') ?? {},
    attachable: body.flag('Attachable'),
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
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: isBridge(network) ? [addressPool(network)] : null,
    },
    Internal: isBridge(network) && network.internal,
    Attachable: attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Options: options,
    Labels: labels,
  };
}

function addressPool({ subnet, gateway, ipRange, reserved }: BridgeNetwork) {
  return {
    Subnet: subnet,
    ...(ipRange === undefined ? {} : { IPRange: ipRange }),
    Gateway: gateway,
    ...(reserved === undefined ? {} : { AuxiliaryAddresses: reserved }),
  };
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
            IPv6Address: '',
          },
        ],
      ];
    }),
  );
}
