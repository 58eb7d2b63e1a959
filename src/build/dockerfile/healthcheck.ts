import { isBerthError, parseDuration } from '../../base/index.ts';
import { commandForm } from './command-form.ts';
import { takeFlags } from './flags.ts';
import type { HealthcheckInstruction, Origin } from './instructions.ts';
import { wrong } from './wrong.ts';

const DURATIONS: Readonly<Record<string, string>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};

/** `HEALTHCHECK NONE` or `HEALTHCHECK [--interval=… --retries=…] CMD command`. */
export function parseHealthcheck(origin: Origin, rest: string): HealthcheckInstruction {
  const { flags, text } = takeFlags(origin, 'HEALTHCHECK', rest, [...Object.keys(DURATIONS), 'retries']);
  const [, kind = '', command = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  if (kind.toUpperCase() === 'NONE') {
    if (command !== '' || flags.size > 0) throw wrong(origin, 'HEALTHCHECK NONE takes no arguments');
    return { kind: 'healthcheck', test: ['NONE'], timing: {} };
  }
  if (kind.toUpperCase() !== 'CMD') {
    throw wrong(
      origin,
      `unknown type "${kind}" in HEALTHCHECK`,
      'Write HEALTHCHECK CMD <command> or HEALTHCHECK NONE',
    );
  }
  if (command === '') throw wrong(origin, 'missing command after HEALTHCHECK CMD');
  const form = commandForm(origin, command);
  const test = form.form === 'exec' ? ['CMD', ...form.args] : ['CMD-SHELL', form.text];
  const timing = Object.fromEntries([...flags].map(([name, value]) => timingOf(origin, name, value)));
  return { kind: 'healthcheck', test, timing };
}

function timingOf(origin: Origin, name: string, value: string): [string, number] {
  const member = DURATIONS[name];
  if (member === undefined) {
    if (!/^\d+$/.test(value)) throw wrong(origin, `--retries must be a whole number, not "${value}"`);
    return ['Retries', Number(value)];
  }
  const nanoseconds = durationOf(origin, name, value);
  if (nanoseconds !== 0 && nanoseconds < 1e6) throw wrong(origin, `--${name} cannot be less than 1ms`);
  return [member, nanoseconds];
}

function durationOf(origin: Origin, name: string, value: string): number {
  try {
    return parseDuration(value);
  } catch (error) {
    if (!isBerthError(error, 'invalid')) throw error;
    throw wrong(origin, `--${name}: ${error.message}`, error.hint);
  }
}
