import { expect, test } from 'vitest';
import { networkHash, volumeHash } from './config-hash.ts';
import type { ProjectNetwork, ProjectVolume } from './model.ts';

const NETWORK: ProjectNetwork = {
  key: 'default',
  name: 'h_default',
  external: false,
  driver: undefined,
  internal: false,
  attachable: false,
  enableIpv6: undefined,
  subnet: undefined,
  ipRange: undefined,
  gateway: undefined,
  labels: new Map(),
  driverOptions: new Map(),
};

const VOLUME: ProjectVolume = {
  key: 'data',
  name: 'h_data',
  external: false,
  driver: undefined,
  labels: new Map(),
  driverOptions: new Map(),
};

// The expected values are the labels that Docker Compose 5.6.0 gave to what it made.

test.each([
  [{}, 'ac03f0e35561ad01809a5e827f565adba6592424944dbdef710844d66d8253a2'],
  [
    { name: 'h_back', subnet: '10.211.78.0/24', gateway: '10.211.78.1', internal: true, attachable: true },
    '0e6f0698862db903298604e398b58e67b7282572db2bab4186a52c80958462a9',
  ],
  [
    {
      name: 'h_opt',
      driver: 'bridge',
      driverOptions: new Map([['com.docker.network.bridge.name', 'brh0']]),
      labels: new Map([['a', 'b']]),
    },
    '5bdf209f261cc298b33194b6a588a4b79d1b05d1740907b5585e53bbd09db091',
  ],
])('the network %j has the hash that Docker Compose gives it', (members, expected) => {
  expect(networkHash({ ...NETWORK, ...members })).toBe(expected);
});

test.each([
  [{}, '143a9000510040355bc843e3f333713559215dcd86939f8e4984fdfb5490ee1f'],
  [
    { name: 'h_lab', driver: 'local', labels: new Map([['x', 'y']]) },
    'ab620f91646fd6ec18309d357386d30d9ea1658decb3aa3a393839077f25aa3c',
  ],
])('the volume %j has the hash that Docker Compose gives it', (members, expected) => {
  expect(volumeHash({ ...VOLUME, ...members })).toBe(expected);
});
