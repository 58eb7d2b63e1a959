import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { LABEL } from '../labels.ts';
import type { Project } from '../model.ts';
import type { Observed, ObservedContainer } from '../observe.ts';
import type { Plan } from '../plan.ts';
import { type LoadOptions, loadProject } from '../project.ts';

/** For tests: a project named "app" from the text of its Compose file. */
export function projectOf(text: string, options: Partial<LoadOptions> = {}): Project {
  const folder = mkdtempSync('/tmp/berth-compose-');
  try {
    writeFileSync(`${folder}/compose.yaml`, text);
    return loadProject({
      ...{ files: [], projectDirectory: undefined, projectName: 'app', profiles: [] },
      ...{ cwd: folder, env: {} },
      ...options,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** For tests: an engine that has nothing but images. */
export function emptyEngine(images: Readonly<Record<string, string>>): Observed {
  return { containers: [], networks: [], volumes: [], images: new Map(Object.entries(images)) };
}

/** For tests: what there would be after a plan, everything in it running. */
export function afterPlan(before: Observed, { steps }: Plan): Observed {
  const containers = new Map(before.containers.map((container) => [container.name, container]));
  const networks = [...before.networks];
  const volumes = [...before.volumes];
  for (const { action } of steps) {
    switch (action.kind) {
      case 'create-network':
        networks.push(resourceOf(action.name, action.request.Labels, LABEL.network));
        break;
      case 'create-volume': {
        const { Labels: labels, Driver: driver = 'local', DriverOpts: options = {} } = action.request;
        volumes.push({ ...resourceOf(action.name, labels, LABEL.volume), driver, options });
        break;
      }
      case 'create-container':
      case 'recreate-container':
        containers.set(action.name, containerOf(action.name, action.request));
        break;
      case 'create-machine': {
        const { Labels, Networks } = action.request;
        const NetworkingConfig = { EndpointsConfig: Networks ?? {} };
        containers.set(action.name, containerOf(action.name, { Image: '', Labels, NetworkingConfig }));
        break;
      }
      case 'remove-container':
        containers.delete(action.name);
        break;
    }
  }
  return { ...before, containers: [...containers.values()], networks, volumes };
}

function resourceOf(name: string, labels: Readonly<Record<string, string>> = {}, keyLabel: string) {
  const [project, configHash, key] = [labels[LABEL.project], labels[LABEL.configHash], labels[keyLabel]];
  return { id: `id of ${name}`, name, project, key, configHash };
}

function containerOf(
  name: string,
  {
    Image: image,
    Labels: labels = {},
    NetworkingConfig: networking,
  }: { Image: string } & Pick<
    Extract<Plan['steps'][number]['action'], { kind: 'create-container' }>['request'],
    'Labels' | 'NetworkingConfig'
  >,
): ObservedContainer {
  const id = `${Buffer.from(name).toString('hex')}000000000000`;
  return {
    ...{ id, name, image },
    service: labels[LABEL.service] ?? '',
    number: Number(labels[LABEL.number]),
    oneOff: false,
    configHash: labels[LABEL.configHash],
    imageId: labels[LABEL.image] ?? '',
    state: 'running',
    networks: Object.keys(networking?.EndpointsConfig ?? {}),
    dependsOn: (labels[LABEL.dependsOn] ?? '').split(',').flatMap((text) => text.split(':')[0] || []),
    anonymousVolumes: [],
    summary: {
      ...{ Id: id, Names: [`/${name}`], Image: image, ImageID: labels[LABEL.image] ?? '', Command: '' },
      ...{ Created: 0, State: 'running', Status: 'Up 1 second', Ports: [], Labels: labels, Mounts: [] },
    },
  };
}
