export { GuestAgent, type GuestCommand, type GuestExit } from './guest-agent.ts';
