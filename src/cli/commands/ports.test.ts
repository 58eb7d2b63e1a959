import { expect, test } from 'vitest';
import type { PortReport } from '../../client/index.ts';
import { portsTable } from './ports.ts';

const plain: PortReport = {
  ...{
    Container: { Id: 'c', Name: 'web' },
    Protocol: 'tcp',
    ContainerPort: 80,
    HostIp: '0.0.0.0',
    HostPort: 8080,
  },
  ...{ Listening: true, Host: { Reached: 'yes' }, Neighbours: { Reached: 'yes' } },
};
const chain = { Table: 'inet filter', Chain: 'forward' };

test.each([
  [plain, 'this host, other hosts'],
  [{ ...plain, Neighbours: null }, 'this host'],
  [
    { ...plain, Neighbours: { Reached: 'no' as const, StoppedBy: { ...chain, Rule: null } } },
    'this host; stopped for other hosts by the policy of chain forward in table inet filter',
  ],
  [
    {
      ...plain,
      Listening: false,
      Neighbours: { Reached: 'perhaps' as const, StoppedBy: { ...chain, Rule: 'drop' } },
    },
    'this host, other hosts; perhaps stopped for other hosts by the rule "drop" of chain forward in table inet filter; ' +
      'nothing listens on 80 in the container',
  ],
])('tells who reaches a port: %#', (report, reachedBy) => {
  const [, row] = portsTable([report]).split('\n');
  expect(row?.split(/ {2,}/)).toEqual(['web', '80/tcp', '0.0.0.0:8080', reachedBy]);
});
