import type { Script, Step } from '../script.ts';

const MIB = 1024 * 1024;

const create = (name: string, host: object): Step => ({
  name: 'create',
  request: `POST /containers/create?name=${name}`,
  body: { Image: 'busybox:latest', Cmd: ['sleep', '1000'], HostConfig: host },
});

/** What a container uses, while it runs and while it does not. */
export const stats: Script = {
  name: 'stats',
  steps: [
    create('compat-stats', { Memory: 64 * MIB, PidsLimit: 10 }),
    { name: 'created', request: 'GET /containers/compat-stats/stats?stream=false' },
    { name: 'created, one shot', request: 'GET /containers/compat-stats/stats?stream=false&one-shot=true' },
    { name: 'start', request: 'POST /containers/compat-stats/start' },
    { name: 'running', request: 'GET /containers/compat-stats/stats?stream=false', keys: true },
    {
      name: 'running, one shot',
      request: 'GET /containers/compat-stats/stats?stream=false&one-shot=true',
      lines: ['pids_stats', 'storage_stats', 'preread', 'memory_stats.limit', 'precpu_stats'],
    },
    { name: 'remove', request: 'DELETE /containers/compat-stats?force=1' },
    { name: 'unknown', request: 'GET /containers/compat-stats/stats?stream=false' },
  ],
};

const change = (name: string, body: object): Step => ({
  name,
  request: 'POST /containers/compat-update/update',
  body,
});

/** Changes of limits, right and wrong ones, and what the inspection then says. */
export const update: Script = {
  name: 'update',
  steps: [
    create('compat-update', { Memory: 64 * MIB, PidsLimit: 10 }),
    change('nothing', {}),
    change('limits of one that does not run', { CpuShares: 512, MemoryReservation: 32 * MIB }),
    { name: 'start', request: 'POST /containers/compat-update/start' },
    change('limits of one that runs', { Memory: 100 * MIB, MemorySwap: 200 * MIB, NanoCpus: 500_000_000 }),
    change('no limit of processes', { PidsLimit: -1 }),
    change('no limit of swap', { MemorySwap: -1 }),
    change('restart policy', { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } }),
    { name: 'inspect', request: 'GET /containers/compat-update/json' },
    change('little memory', { Memory: 1000 }),
    change('quota beside CPUs', { CpuQuota: 5000 }),
    change('period beside CPUs', { CpuPeriod: 5000 }),
    change('CPUs that are not there', { CpusetCpus: '4000' }),
    change('CPUs that are no list', { CpusetCpus: 'two' }),
    change('unknown restart policy', { RestartPolicy: { Name: 'sometimes' } }),
    change('wrong type', { Memory: 'much' }),
    change('swap again', { MemorySwap: 200 * MIB }),
    change('memory above swap', { Memory: 300 * MIB }),
    { name: 'pause', request: 'POST /containers/compat-update/pause' },
    change('limits of one that is paused', { PidsLimit: 7 }),
    { name: 'remove', request: 'DELETE /containers/compat-update?force=1' },
    change('unknown', { PidsLimit: 7 }),
    create('compat-update', { AutoRemove: true }),
    change('restart policy beside removal', { RestartPolicy: { Name: 'always' } }),
    { name: 'remove again', request: 'DELETE /containers/compat-update?force=1' },
  ],
};
