import { expect, test } from 'vitest';
import { LABEL } from './labels.ts';
import { parseYaml } from './located-yaml.ts';
import type { Project } from './model.ts';
import { oneOffRequest } from './one-off.ts';
import { parseService } from './service.ts';

const CONTEXT = { directory: '/project', variables: () => undefined, onRenamed: () => {} };
const SERVICE = parseService(
  'web',
  parseYaml(
    'compose.yaml',
    'image: i\ncommand: serve\ncontainer_name: only-one\nports: ["8000:80"]\nrestart: always\nenvironment: {A: "1", B: "2"}\nnetworks: {back: {aliases: [x]}}\n',
  ),
  CONTEXT,
);
const PROJECT: Project = {
  name: 'app',
  directory: '/project',
  files: ['/project/compose.yaml'],
  services: [SERVICE],
  disabledServices: [],
  networks: [],
  volumes: [],
  warnings: [],
};
const NOTHING = { containers: [], images: new Map([['i', 'sha256:1']]) };

function request(options: Partial<Parameters<typeof oneOffRequest>[3]> = {}) {
  const usual = { name: 'app-web-run-1', slug: '1', tty: false, stdin: true };
  return oneOffRequest(PROJECT, SERVICE, NOTHING, { ...usual, ...options });
}

test('a one-off container has what its service says, but for ports, restarts and the service’s name', () => {
  const { Cmd, HostConfig, Env, NetworkingConfig } = request();
  expect(Cmd).toEqual(['serve']);
  expect(Env).toEqual(['A=1', 'B=2']);
  expect(HostConfig).toMatchObject({ PortBindings: {}, RestartPolicy: { Name: 'no' }, AutoRemove: false });
  expect(NetworkingConfig?.EndpointsConfig).toMatchObject({ back: { Aliases: ['app-web-run-1'] } });
});

test('what is asked for comes before what the service says', () => {
  const { Cmd, Env, User, HostConfig, OpenStdin, StdinOnce } = request({
    command: ['sh', '-c', 'x'],
    environment: new Map([['B', '3']]),
    user: 'nobody',
    remove: true,
    stdin: false,
    ports: SERVICE.ports,
  });
  expect([Cmd, Env, User]).toEqual([['sh', '-c', 'x'], ['A=1', 'B=3'], 'nobody']);
  expect(HostConfig).toMatchObject({ AutoRemove: true, PortBindings: { '80/tcp': [{ HostPort: '8000' }] } });
  expect([OpenStdin, StdinOnce]).toEqual([false, false]);
});

test('its labels tell it from the service’s real containers', () => {
  const labels = request().Labels ?? {};
  expect(labels).toMatchObject({
    [LABEL.oneOff]: 'True',
    [LABEL.service]: 'web',
    [LABEL.image]: 'sha256:1',
    'com.docker.compose.slug': '1',
  });
  expect(labels).not.toHaveProperty(LABEL.number);
});
