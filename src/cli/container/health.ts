import { invalid } from '../../base/index.ts';
import type { HealthConfig } from '../../client/index.ts';
import type { ContainerFlags } from './flags.ts';

type HealthFlags = Pick<
  ContainerFlags,
  | 'healthCmd'
  | 'healthInterval'
  | 'healthTimeout'
  | 'healthStartPeriod'
  | 'healthStartInterval'
  | 'healthRetries'
  | 'healthcheck'
>;

/** The health check that the options ask for; undefined: the image's. Throws `invalid` when they contradict each other. */
export function healthConfig(flags: HealthFlags): HealthConfig | undefined {
  const health: HealthConfig = {
    Test: flags.healthCmd === undefined ? undefined : ['CMD-SHELL', flags.healthCmd],
    Interval: flags.healthInterval,
    Timeout: flags.healthTimeout,
    StartPeriod: flags.healthStartPeriod,
    StartInterval: flags.healthStartInterval,
    Retries: flags.healthRetries,
  };
  const isEmpty = Object.values(health).every((value) => value === undefined);
  if (flags.healthcheck) return isEmpty ? undefined : health;
  if (!isEmpty) throw invalid('--no-healthcheck conflicts with --health-* options');
  return { Test: ['NONE'] };
}
