import { type ControlGroupUsage, usageOf } from '../../../runtime/index.ts';

/**
 * What a guest's processes use, from their control group's accounts, which its kernel keeps as every kernel does; what they
 * may use of memory is what the guest has. Undefined when the guest does not say.
 */
export async function guestUsage(
  accounts: ReadonlyMap<string, string>,
): Promise<ControlGroupUsage | undefined> {
  const usage = await usageOf(2, async (name) => accounts.get(name));
  if (usage?.memory === undefined) return usage;
  return {
    ...usage,
    memory: { ...usage.memory, limit: Math.min(usage.memory.limit, guestMemory(accounts)) },
  };
}

/** Bytes that the guest's kernel gives out. */
export function guestMemory(accounts: ReadonlyMap<string, string>): number {
  return Number(/^MemTotal: +(\d+)/m.exec(accounts.get('meminfo') ?? '')?.[1] ?? 0) * 1024;
}
