import type { Script, Step } from '../script.ts';

const IMAGE = 'busybox:latest';
const NANOSECONDS = 1e9;

const refused = (name: string, healthcheck: object): Step => ({
  name,
  request: 'POST /containers/create',
  body: { Image: IMAGE, Healthcheck: healthcheck },
});

const filtered = (value: string) =>
  `GET /containers/json?filters=${encodeURIComponent(JSON.stringify({ name: ['compat-health'], health: [value] }))}`;

/** A health check from create to the container's end; its first probe is an hour away, so that no answer depends on it. */
export const health: Script = {
  name: 'health',
  steps: [
    refused('interval too short', { Test: ['CMD', 'true'], Interval: 5 }),
    refused('timeout too short', { Test: ['CMD', 'true'], Timeout: -5 }),
    refused('start period too short', { Test: ['CMD', 'true'], StartPeriod: 999_999 }),
    refused('start interval too short', { Test: ['CMD', 'true'], StartInterval: 1 }),
    refused('negative retries', { Test: ['CMD', 'true'], Retries: -1 }),
    {
      name: 'create',
      request: 'POST /containers/create?name=compat-health',
      body: {
        Image: IMAGE,
        Cmd: ['sleep', '1000'],
        Healthcheck: {
          Test: ['CMD-SHELL', 'exit 0'],
          Interval: 3600 * NANOSECONDS,
          StartPeriod: 10 * NANOSECONDS,
          StartInterval: 3600 * NANOSECONDS,
          Retries: 7,
        },
        Shell: ['/bin/sh', '-ec'],
      },
      save: { id: 'Id' },
    },
    { name: 'inspect created', request: 'GET /containers/compat-health/json' },
    { name: 'start', request: 'POST /containers/compat-health/start' },
    { name: 'inspect starting', request: 'GET /containers/compat-health/json' },
    { name: 'list starting', request: filtered('starting') },
    { name: 'list healthy', request: filtered('healthy') },
    { name: 'list an unknown health', request: filtered('purple') },
    { name: 'pause', request: 'POST /containers/compat-health/pause' },
    { name: 'inspect paused', request: 'GET /containers/compat-health/json' },
    { name: 'unpause', request: 'POST /containers/compat-health/unpause' },
    { name: 'list unhealthy', request: filtered('unhealthy') },
    { name: 'stop', request: 'POST /containers/compat-health/stop?t=0' },
    { name: 'inspect exited', request: 'GET /containers/compat-health/json' },
    { name: 'remove', request: 'DELETE /containers/compat-health' },
    {
      name: 'create without health check',
      request: 'POST /containers/create?name=compat-health',
      body: { Image: IMAGE, Cmd: ['sleep', '1000'], Healthcheck: { Test: ['NONE'] } },
      save: { id: 'Id' },
    },
    { name: 'start without health check', request: 'POST /containers/compat-health/start' },
    { name: 'inspect without health check', request: 'GET /containers/compat-health/json' },
    { name: 'list without health check', request: filtered('none') },
    { name: 'remove the last', request: 'DELETE /containers/compat-health?force=1' },
  ],
};
