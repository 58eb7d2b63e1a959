import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { configText } from './config-text.ts';
import { loadProject } from './project.ts';

const folder = mkdtempSync(join(tmpdir(), 'berth-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(text: string) {
  writeFileSync(join(folder, 'compose.yaml'), text);
  const none = { files: [], projectName: 'app', projectDirectory: undefined, profiles: [], env: {} };
  return loadProject({ ...none, cwd: folder });
}

test('short forms are printed long, and what says nothing is left out', () => {
  const project = load(
    'services:\n  web:\n    image: i\n    command: echo "a b"\n    ports: ["8000:5050"]\n    environment: [A=1]\n',
  );
  expect(configText(project)).toBe(`name: app
services:
  web:
    image: i
    command:
      - echo
      - a b
    environment:
      A: "1"
    ports:
      - mode: ingress
        target: 5050
        published: "8000"
        protocol: tcp
    networks:
      default: null
networks:
  default:
    name: app_default
`);
});

test('what is printed is the same project when it is read again', () => {
  const project = load(`
services:
  db:
    image: i
    healthcheck: {test: exit 0, interval: 1m30s, start_interval: 500ms}
    volumes: [data:/data:ro, /anonymous, ./here:/there, {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
    networks: {back: {aliases: [x], ipv4_address: 10.9.0.5}}
    init: false
  web:
    build: {context: ., args: {A: "$$1", B: }, target: t}
    entrypoint: []
    depends_on: {db: {condition: service_healthy, restart: true}}
    deploy: {replicas: 2, resources: {limits: {memory: 64m, cpus: "0.5"}}}
    ulimits: {nofile: 100, nproc: {soft: 1, hard: 2}}
    extra_hosts: ["a:1.2.3.4", "b=::1"]
    labels: {price: "5$$"}
    logging: {driver: json-file, options: {max-size: 1m}}
    restart: on-failure:3
networks: {back: {ipam: {config: [{subnet: 10.9.0.0/24}]}, internal: true}}
volumes: {data: {labels: [a=b]}}
`);
  expect(load(configText(project))).toEqual(project);
});
