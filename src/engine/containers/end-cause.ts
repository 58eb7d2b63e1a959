import { constants } from 'node:os';
import { formatBinarySize } from '../../base/index.ts';
import type { ExitStatus, MemoryEnd } from '../../runtime/index.ts';
import { signalName } from './stop-signal.ts';

/** A signal that berth has sent to PID 1, kept so that an end can be told from one that came from outside. */
export interface SentSignal {
  readonly by: SignalSender;
  readonly signal: number;
  readonly at: string;
  /** Why this signal, where the operation alone does not say it. */
  readonly reason?: string;
  /** A guest follows it with SIGKILL where PID 1 cannot receive it and is alone, and does not tell so. */
  readonly followedInGuest?: true;
}

/** The operation that sent a signal; "health" is a restart for bad health. */
export type SignalSender = 'stop' | 'kill' | 'restart' | 'rm' | 'health';

/** Why a run ended, or why it did not begin. */
export type EndCause =
  /** PID 1 ended by itself; `after` is a signal that it had been sent. */
  | { readonly kind: 'exit'; readonly after?: SentSignal }
  /** Something of the container was killed for lack of memory: PID 1 itself, or a process whose death it did not survive. */
  | { readonly kind: 'out-of-memory'; readonly victim: 'pid1' | 'other' }
  | { readonly kind: 'signal'; readonly signal: number; readonly sender: SentSignal | 'itself' | 'outside' }
  | { readonly kind: 'start-failure'; readonly message: string }
  /** A machine was switched off from inside; `after` is a signal that its monitor had been sent, for its power button. */
  | { readonly kind: 'power-off'; readonly after?: SentSignal }
  /** A machine ended otherwise; `why` in its monitor's words, "" where they are not known. */
  | { readonly kind: 'machine-failure'; readonly why: string }
  /** The supervisor was killed before it could tell. */
  | { readonly kind: 'unknown' };

/** An end, as far as its words go. */
export interface EndFacts {
  readonly exitCode: number;
  readonly cause: EndCause;
  readonly memory?: MemoryEnd;
}

/**
 * Why a run ended. `sent` is the last signal that berth sent to PID 1, counted only if it belongs to this run. A SIGKILL
 * that nobody of berth sent, in a control group in which the kernel killed for lack of memory, is the kernel's.
 */
export function endCause(
  status: Exclude<ExitStatus, { kind: 'not-restarted' }>,
  startedAt: string,
  sent: SentSignal | undefined,
): EndCause {
  if (status.kind === 'unknown') return { kind: 'unknown' };
  const ours = sent !== undefined && Date.parse(sent.at) >= Date.parse(startedAt) ? sent : undefined;
  const { signal, oomKilled, code } = status;
  if (signal === undefined) {
    if (oomKilled && code !== 0) return { kind: 'out-of-memory', victim: 'other' };
    return { kind: 'exit', ...(ours === undefined ? {} : { after: ours }) };
  }
  if (ours?.signal === signal) return { kind: 'signal', signal, sender: ours };
  if (oomKilled && signal === constants.signals.SIGKILL) return { kind: 'out-of-memory', victim: 'pid1' };
  if (ours?.followedInGuest && signal === constants.signals.SIGKILL) {
    return { kind: 'signal', signal, sender: { ...ours, signal, reason: deafness(ours.signal) } };
  }
  return { kind: 'signal', signal, sender: isOwnDoing(signal) ? 'itself' : 'outside' };
}

/** Why SIGKILL follows a signal at once. */
export function deafness(signal: number): string {
  return `PID 1 has no handler for ${signalName(signal)} and is alone`;
}

/** What the kernel sends a process for its own doing (signal(7)). */
const OWN_DOING: Readonly<Record<string, string>> = {
  SIGSEGV: 'it touched memory that it may not',
  SIGBUS: 'it touched memory that is not there',
  SIGILL: 'it ran an instruction that the processor does not have',
  SIGFPE: 'it divided by zero, or the like',
  SIGABRT: 'it aborted itself',
  SIGTRAP: 'it met a breakpoint',
  SIGSYS: 'it made a system call that its seccomp profile forbids',
  SIGPIPE: 'it wrote to a pipe that nobody reads',
  SIGALRM: 'its own timer was over',
  SIGXCPU: 'it used more CPU time than its limit',
  SIGXFSZ: 'it wrote a larger file than its limit',
};

function isOwnDoing(signal: number): boolean {
  return OWN_DOING[signalName(signal)] !== undefined;
}

/** The few words behind "Exited (137) 2 minutes ago" in a list; undefined where the exit code says it all. */
export function shortReason({ exitCode, cause, memory }: EndFacts): string | undefined {
  switch (cause.kind) {
    case 'exit':
      if (cause.after !== undefined && exitCode !== 0) return senderWords(cause.after);
      return SHELL_CODES[exitCode];
    case 'out-of-memory': {
      const limit = memory?.limit === undefined ? 'of the host' : `limit ${formatBinarySize(memory.limit)}`;
      return `${cause.victim === 'pid1' ? '' : 'a process was '}out of memory (${limit})`;
    }
    case 'signal': {
      const name = signalName(cause.signal);
      if (cause.sender === 'itself') return `${name}: ${OWN_DOING[name]}`;
      return cause.sender === 'outside' ? `${name} from outside of berth` : senderWords(cause.sender);
    }
    case 'power-off':
      return undefined;
    case 'machine-failure':
      return cause.why === '' ? 'its console tells why: berth vm logs' : cause.why;
    case 'start-failure':
      return cause.message;
    case 'unknown':
      return 'its supervisor was killed';
  }
}

function senderWords({ by, signal, reason }: SentSignal): string {
  return `${SENDER_WORDS[by]} sent ${signalName(signal)}${reason === undefined ? '' : `: ${reason}`}`;
}

const SENDER_WORDS: Readonly<Record<SignalSender, string>> = {
  stop: 'stop',
  kill: 'kill',
  restart: 'restart',
  rm: 'rm -f',
  health: 'the health check',
};

/** What shells, and programs that follow them, mean by these (POSIX sh, 2.8.2). */
const SHELL_CODES: Readonly<Record<number, string>> = {
  126: 'a command could not be executed',
  127: 'a command was not found',
};

/** Why it ended, in whole sentences; each also says what can be done about it, where something can. */
export function endSentences(end: EndFacts): string[] {
  const { cause, exitCode, memory } = end;
  switch (cause.kind) {
    case 'exit':
      return [exitSentence(exitCode), ...(cause.after === undefined ? [] : [afterSentence(cause.after)])];
    case 'out-of-memory':
      return [
        cause.victim === 'pid1'
          ? 'The kernel killed its first process for lack of memory.'
          : `The kernel killed a process of it for lack of memory; ${withoutStop(lowerFirst(exitSentence(exitCode)))}.`,
        ...memorySentences(memory),
      ];
    case 'signal':
      return [signalSentence(cause.signal, cause.sender)];
    case 'power-off':
      return [
        'Its system switched it off.',
        ...(cause.after === undefined ? [] : [pressSentence(cause.after)]),
      ];
    case 'machine-failure':
      return cause.why === ''
        ? ['It ended without being switched off. Why stands at the end of its console.']
        : [`It ended without being switched off: ${withoutStop(cause.why)}.`];
    case 'start-failure':
      return [`It could not be started: ${withoutStop(cause.message)}.`];
    case 'unknown':
      return [
        'Its supervisor was killed before it could tell how the container ended; what was left of it was killed too.',
      ];
  }
}

function exitSentence(code: number): string {
  if (code === 0) return 'It ended by itself, with success.';
  const known = SHELL_CODES[code];
  if (known !== undefined) return `It ended by itself with exit code ${code}: ${known}, as shells say it.`;
  const signal = code > 128 && code <= 128 + 64 ? signalName(code - 128) : undefined;
  if (signal === undefined) return `It ended by itself with exit code ${code}: an error of its own.`;
  return `It ended by itself with exit code ${code}, which is how shells tell that ${signal} ended a command.`;
}

function afterSentence({ by, signal, reason }: SentSignal): string {
  const why = reason === undefined ? '' : ` (${reason})`;
  return `Before, ${SENDER_WORDS[by]} had sent it ${signalName(signal)}${why}.`;
}

/** Each signal that does not end a monitor presses the button. */
function pressSentence({ by, reason }: SentSignal): string {
  const why = reason === undefined ? '' : ` (${reason})`;
  return `Before, ${SENDER_WORDS[by]} had pressed its power button${why}.`;
}

function signalSentence(signal: number, sender: SentSignal | 'itself' | 'outside'): string {
  const name = signalName(signal);
  if (sender === 'itself') return `${name} ended it: ${OWN_DOING[name]}.`;
  if (sender === 'outside') {
    return `${name} ended it. It came from outside of berth: neither stop, kill, restart, rm nor a lack of memory of the container.`;
  }
  const why = sender.reason === undefined ? '' : ` (${sender.reason})`;
  return `${name} ended it, sent by ${SENDER_WORDS[sender.by]}${why}.`;
}

function memorySentences(memory: MemoryEnd | undefined): string[] {
  if (memory === undefined) return [];
  const peak =
    memory.peak === undefined ? '' : ` It had at most ${formatBinarySize(memory.peak)} in use at once.`;
  if (memory.limit === undefined) return [`It has no limit of its own: the host ran out of memory.${peak}`];
  return [`Its limit is ${formatBinarySize(memory.limit)}.${peak} A larger one is set with -m.`];
}

const lowerFirst = (text: string) => `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
const withoutStop = (text: string) => text.replace(/\.$/, '');
