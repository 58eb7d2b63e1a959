export { GuestAgent, type GuestCommand, type GuestExit } from './guest-agent.ts';
export { hasGuestAgent } from './presence.ts';
