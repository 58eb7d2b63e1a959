import { BerthError, invalid, notImplemented, parseSize } from '../../../base/index.ts';

/** A log driver and its options as the user gave them; they are known to be right. */
export interface LogConfig {
  readonly driver: 'json-file' | 'local' | 'none' | 'syslog' | 'journald';
  readonly options: Readonly<Record<string, string>>;
}

/** What a driver and its options mean. */
export interface LogSettings {
  /** Undefined: nothing is kept that could be read. */
  readonly files:
    | {
        readonly format: 'json-file' | 'local';
        readonly maxSize: number;
        readonly maxFiles: number;
        /** "if-possible": compressed by default. */
        readonly compress: 'no' | 'yes' | 'if-possible';
      }
    | undefined;
  readonly attributes: AttributeOptions;
  /** "" for the driver's own. */
  readonly tag: string;
  readonly receiver: Receiver | undefined;
}

/** Which labels and variables of the container go along with each message. */
export interface AttributeOptions {
  readonly labels: readonly string[];
  readonly labelsRegex: RegExp | undefined;
  readonly env: readonly string[];
  readonly envRegex: RegExp | undefined;
}

export interface Receiver {
  readonly format: 'syslog' | 'journald';
  readonly address:
    | { readonly kind: 'unix'; readonly path: string }
    | { readonly kind: 'udp' | 'tcp'; readonly host: string; readonly port: number };
  readonly facility: number;
}

/** Logs are rotated by default, so that a disk never fills: five files of 20 MB. */
const DEFAULT_SIZE = 20_000_000;
const DEFAULT_FILES = 5;

const ATTRIBUTES = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const FILES = ['max-size', 'max-file', 'compress'];
const CACHE = ['cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress'];
const SYSLOG = [
  'syslog-address',
  'syslog-facility',
  'syslog-format',
  'syslog-tls-ca-cert',
  'syslog-tls-cert',
  'syslog-tls-key',
  'syslog-tls-skip-verify',
];
const COMMON = [...CACHE, 'mode', 'max-buffer-size'];

const OPTIONS: Readonly<Record<LogConfig['driver'], readonly string[]>> = {
  'json-file': [...COMMON, ...ATTRIBUTES, ...FILES],
  local: [...COMMON, ...ATTRIBUTES, ...FILES],
  none: [],
  syslog: [...COMMON, ...ATTRIBUTES, ...SYSLOG],
  journald: [...COMMON, ...ATTRIBUTES],
};

/** Those that there are. */
export const LOG_DRIVERS: readonly string[] = Object.keys(OPTIONS);

/** Drivers of Docker that berth refuses by name. */
const NOT_HERE = ['gelf', 'fluentd', 'awslogs', 'splunk', 'gcplogs', 'etwlogs', 'logentries'];

/** Checks a driver and its options. Throws in Docker's words where it has some. */
export function parseLogConfig(name: string, options: Readonly<Record<string, string>>): LogConfig {
  const driver = parseDriver(name);
  const unknown = Object.keys(options).find((option) => !OPTIONS[driver].includes(option));
  if (unknown !== undefined && driver !== 'none') {
    throw invalid(`unknown log opt '${unknown}' for ${driver} log driver`);
  }
  const config = { driver, options };
  logSettings(config);
  return config;
}

function parseDriver(name: string): LogConfig['driver'] {
  switch (name) {
    case 'json-file':
    case 'local':
    case 'none':
    case 'syslog':
    case 'journald':
      return name;
    default:
      if (NOT_HERE.includes(name)) {
        throw notImplemented(`the log driver ${name} is not there yet`, {
          hint: `Use one of ${LOG_DRIVERS.join(', ')}`,
        });
      }
      throw invalid(`error looking up logging plugin ${name}: plugin "${name}" not found`, {
        hint: `Use one of ${LOG_DRIVERS.join(', ')}`,
      });
  }
}

/** What a configuration means. Throws `invalid`, or `not-implemented` naming what berth lacks. */
export function logSettings({ driver, options }: LogConfig): LogSettings {
  checkMode(options);
  const isReceiver = driver === 'syslog' || driver === 'journald';
  return {
    files:
      driver === 'none' ? undefined : isReceiver ? cacheSettings(options) : fileSettings(driver, options),
    attributes: {
      labels: names(options.labels),
      labelsRegex: pattern('labels-regex', options),
      env: names(options.env),
      envRegex: pattern('env-regex', options),
    },
    tag: options.tag ?? '',
    receiver: isReceiver ? receiverOf(driver, options) : undefined,
  };
}

function checkMode(options: LogConfig['options']): void {
  const { mode = 'blocking' } = options;
  if (mode === 'non-blocking') throw notImplemented('the log mode non-blocking is not there yet');
  if (mode !== 'blocking') throw invalid(`logger: logging mode not supported: ${mode}`);
  if (options['max-buffer-size'] !== undefined) {
    throw invalid(`logger: max-buffer-size option is only supported with 'mode=non-blocking'`);
  }
}

function fileSettings(format: 'json-file' | 'local', options: LogConfig['options']) {
  const maxSize = sizeOption('max-size', options) ?? DEFAULT_SIZE;
  // Docker's rule: json-file with a size and no number of files is one file.
  const isOne = format === 'json-file' && options['max-size'] !== undefined;
  const maxFiles = countOption('max-file', options) ?? (isOne ? 1 : DEFAULT_FILES);
  const wanted = flagOption('compress', options);
  if (wanted === true && maxFiles < 2) {
    throw invalid('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  const byDefault = format === 'local' ? 'if-possible' : 'no';
  const compress = wanted === undefined ? byDefault : wanted ? 'yes' : 'no';
  return { format, maxSize, maxFiles, compress } as const;
}

/** `docker logs` reads from files of our own what goes to a receiver (Docker's dual logging). */
function cacheSettings(options: LogConfig['options']): LogSettings['files'] {
  if (flagOption('cache-disabled', options) === true) return undefined;
  return {
    format: 'local',
    maxSize: sizeOption('cache-max-size', options) ?? DEFAULT_SIZE,
    maxFiles: countOption('cache-max-file', options) ?? DEFAULT_FILES,
    compress: flagOption('cache-compress', options) === false ? 'no' : 'if-possible',
  };
}

function sizeOption(name: string, options: LogConfig['options']): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  const size = withOption(name, () => parseSize(text));
  if (size <= 0) throw invalid(`${name} must be a positive number`);
  return size;
}

function countOption(name: string, options: LogConfig['options']): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  if (!/^-?\d+$/.test(text)) throw invalid(`invalid value for ${name}: "${text}" is no number`);
  if (Number(text) < 1) throw invalid(`${name} cannot be less than 1`);
  return Number(text);
}

/** As Go's strconv.ParseBool. */
function flagOption(name: string, options: LogConfig['options']): boolean | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  throw invalid(`invalid boolean value for ${name}: "${text}"`);
}

function names(text: string | undefined): string[] {
  return (text ?? '').split(',').filter(Boolean);
}

function pattern(name: string, options: LogConfig['options']): RegExp | undefined {
  const text = options[name];
  if (text === undefined || text === '') return undefined;
  return withOption(name, () => new RegExp(text));
}

function withOption<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BerthError('invalid', `invalid value for ${name}: ${reason}`, { cause: error });
  }
}

/** Of syslog(3), by their numbers. */
const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['', '', '', '', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];
const DAEMON = 3;

const JOURNALD_SOCKET = '/run/systemd/journal/socket';
const SYSLOG_SOCKET = '/dev/log';

function receiverOf(format: Receiver['format'], options: LogConfig['options']): Receiver {
  if (format === 'journald') {
    return { format, address: { kind: 'unix', path: JOURNALD_SOCKET }, facility: DAEMON };
  }
  const tls = Object.keys(options).find((name) => name.startsWith('syslog-tls-'));
  if (tls !== undefined) throw notImplemented(`the log option ${tls} is not there yet`);
  return {
    format,
    address: syslogAddress(options['syslog-address'] ?? `unix://${SYSLOG_SOCKET}`),
    facility: facilityOf(checkFormat(options)['syslog-facility']),
  };
}

function checkFormat(options: LogConfig['options']): LogConfig['options'] {
  const format = options['syslog-format'] ?? '';
  if (format === '') return options;
  if (['rfc3164', 'rfc5424', 'rfc5424micro'].includes(format)) {
    throw notImplemented(`the syslog format ${format} is not there yet`);
  }
  throw invalid('Invalid syslog format');
}

function facilityOf(text: string | undefined): number {
  if (text === undefined || text === '') return DAEMON;
  const number = /^\d+$/.test(text) ? Number(text) : FACILITIES.indexOf(text);
  if (number < 0 || number > 23) throw invalid('invalid syslog facility');
  return number;
}

function syslogAddress(text: string): Receiver['address'] {
  const [, scheme = '', rest = ''] = /^([a-z+0-9]*):\/\/(.*)$/.exec(text) ?? [];
  switch (scheme) {
    case 'unix':
    case 'unixgram':
      if (!rest.startsWith('/')) throw invalid(`the syslog address ${text} names no absolute path`);
      return { kind: 'unix', path: rest };
    case 'udp':
    case 'tcp': {
      const match = /^\[?([^\]]+?)\]?(?::(\d{1,5}))?$/.exec(rest);
      if (match?.[1] === undefined) throw invalid(`the syslog address ${text} names no host`);
      return { kind: scheme, host: match[1], port: Number(match[2] ?? 514) };
    }
    case 'tcp+tls':
      throw notImplemented('syslog over tcp+tls is not there yet', {
        hint: 'Use tcp://, udp:// or unix://, to a syslog server of this host that forwards by TLS, say',
      });
    default:
      throw invalid(`unsupported scheme: '${scheme}'`);
  }
}
