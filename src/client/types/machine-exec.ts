/** A command in a machine (POST /berth/machines/{id}/exec). */
export interface MachineExecRequest {
  readonly Cmd: readonly string[];
  /** "NAME=VALUE", beside what the guest's agent has. */
  readonly Env?: readonly string[] | undefined;
  readonly Dir?: string | undefined;
  /** Its standard input, in base64. */
  readonly Input?: string | undefined;
}

export interface MachineExecAnswer {
  /** 128 and the signal's number for one that a signal ended, 127 where there is no such program. */
  readonly ExitCode: number;
  /** Standard output and standard error, in base64. */
  readonly Output: string;
  readonly ErrorOutput: string;
  /** There was more than the agent keeps: 16 MiB of each. */
  readonly Truncated: boolean;
}
