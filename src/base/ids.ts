import { randomBytes } from 'node:crypto';

/** 64 lower-case hex digits, as Docker's clients expect. */
export type ContainerId = string & { readonly __brand: 'ContainerId' };
export type NetworkId = string & { readonly __brand: 'NetworkId' };
export type ExecId = string & { readonly __brand: 'ExecId' };

const randomHex = () => randomBytes(32).toString('hex');

export const newContainerId = () => randomHex() as ContainerId;
export const newNetworkId = () => randomHex() as NetworkId;
export const newExecId = () => randomHex() as ExecId;

/** The first 12 digits, as lists show them. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
