import { expect, test } from 'vitest';
import { formatPorts } from './port-list.ts';

const tcp = { Type: 'tcp' };

/** Expected texts are docker 28's. */
test.each([
  [[], ''],
  [[{ PrivatePort: 80, ...tcp }], '80/tcp'],
  [
    [
      { PrivatePort: 81, ...tcp },
      { PrivatePort: 80, ...tcp },
      { PrivatePort: 90, ...tcp },
    ],
    '80-81/tcp, 90/tcp',
  ],
  [
    [
      { IP: '::', PrivatePort: 5050, PublicPort: 8000, ...tcp },
      { IP: '0.0.0.0', PrivatePort: 5050, PublicPort: 8000, ...tcp },
    ],
    '0.0.0.0:8000->5050/tcp, [::]:8000->5050/tcp',
  ],
  [
    [
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 80, ...tcp },
      { IP: '0.0.0.0', PrivatePort: 81, PublicPort: 81, ...tcp },
      { PrivatePort: 443, ...tcp },
    ],
    '0.0.0.0:80-81->80-81/tcp, 443/tcp',
  ],
])('shows %j', (ports, text) => {
  expect(formatPorts(ports)).toBe(text);
});
