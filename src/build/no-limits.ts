import type { StepLimits } from './contract.ts';

/** The limits of a build that asks for none. */
export const NO_LIMITS: StepLimits = {
  ...{ memory: 0, memorySwap: 0, cpuShares: 0, cpuPeriod: 0, cpuQuota: 0 },
  ...{ cpusetCpus: '', cpusetMems: '', shmSize: 0 },
};
