/**
 * What the operator was asked to do: flags, then SEGMENTATION_* variables, then the configuration file, then
 * defaults. Pure but for reading the file. Everything that is wrong is reported at once, and nothing is ignored.
 */
import { parseArgs } from 'node:util';
import { CLUSTER_DEFAULTS, PROTECTED_NAMESPACES } from './cluster-defaults.ts';
import { formatDuration } from './duration.ts';
import { type ConfigurationFile, readConfiguration } from './file.ts';
import { configurationText, helpText } from './help.ts';
import {
  ENVIRONMENT_PREFIX,
  environmentName,
  isServiceVariable,
  QUESTIONS,
  type Scalars,
  type Setting,
  SETTINGS,
} from './settings.ts';
import { didYouMean } from './suggest.ts';
import type { ClusterConfiguration } from '../policy/facts.ts';
import { isLoopback, parseBindAddress } from './bind-address.ts';
import type { LogFormat, LogLevel } from '../observability/logs/logger.ts';

/** All durations are in milliseconds. */
export interface Options {
  /** Undefined: KUBECONFIG, the pod's own account, or ~/.kube/config. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly metricsBindAddress: string;
  readonly metricsSecurity: MetricsSecurity;
  readonly healthProbeBindAddress: string;
  readonly concurrency: number;
  /** How often every namespace is looked at again without an event. */
  readonly resyncPeriod: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly leaderElection: LeaderElectionOptions;
  /** Never segmented. The operator's own namespace is not in it. */
  readonly protectedNamespaces: readonly string[];
  /** The file of --config as it was read. */
  readonly configurationFile: { readonly path: string; readonly text: string } | undefined;
  /** Where things are in this cluster, for the compiler of policies. */
  readonly cluster: ClusterConfiguration;
}

export interface MetricsSecurity {
  /** By TLS, and only for those whom the API server lets get /metrics. */
  readonly enabled: boolean;
  /** Undefined: a self-signed certificate. */
  readonly certPath: string | undefined;
  /** The files in it. */
  readonly certName: string;
  readonly certKey: string;
}

export interface LeaderElectionOptions {
  readonly enabled: boolean;
  /** Of the Lease; undefined: the operator's own. */
  readonly namespace: string | undefined;
  /** Whole seconds, longer than `renewDeadline`, which is longer than `retryPeriod`. */
  readonly leaseDuration: number;
  readonly renewDeadline: number;
  readonly retryPeriod: number;
}

export interface OptionsInput {
  /** Without the executable and the script. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file; throws as node:fs does. */
  readonly readFile: (path: string) => string;
  readonly version: string;
}

export type Parsed =
  | { readonly kind: 'options'; readonly options: Options }
  | { readonly kind: 'help' | 'version' | 'print-config'; readonly text: string };

/** Everything that is wrong with the command line, the environment and the file, one line each. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

const DEFAULT_LEASE = { leaseDuration: 15_000, renewDeadline: 10_000, retryPeriod: 2000 };
const DEFAULT_RESYNC = 10 * 3_600_000;
/** client-go adds up to a fifth of the period to each retry; one must fit before the deadline. */
const RETRY_JITTER = 1.2;

/** @throws OptionsError */
export function parseOptions(input: OptionsInput): Parsed {
  const problems: string[] = [];
  const flags = readFlags(input.argv, problems);
  if (flags.has('help')) return { kind: 'help', text: helpText() };
  if (flags.has('version')) return { kind: 'version', text: `segmentation-operator ${input.version}` };
  checkEnvironment(input.env, problems);

  let file: ConfigurationFile = {};
  const setting = <K extends keyof Scalars>(name: K): Scalars[K] => {
    const { flag, shape, fromText, inFile, fallback }: Setting<Scalars[K]> = SETTINGS[name];
    const variable = environmentName(flag);
    const given = flags.get(flag);
    const text = given ?? (input.env[variable] || undefined);
    if (text === undefined) return inFile?.(file) ?? fallback;
    const source = given === undefined ? variable : `--${flag}`;
    return shape(fromText ? fromText(text) : text, source, problems) ?? fallback;
  };

  const path = setting('config');
  const text = path === undefined ? undefined : readFile(path, input.readFile, problems);
  if (path !== undefined && text !== undefined) file = readConfiguration(text, path, problems);
  const { clusterDNS, protectedNamespaces, resyncPeriod, leaderElection } = file;
  const metricsBindAddress = setting('metricsBindAddress');
  const options: Options = {
    kubeconfig: setting('kubeconfig'),
    context: setting('context'),
    metricsBindAddress,
    metricsSecurity: {
      enabled: setting('metricsSecure') ?? !isLoopback(metricsBindAddress),
      certPath: setting('metricsCertPath'),
      certName: setting('metricsCertName'),
      certKey: setting('metricsCertKey'),
    },
    healthProbeBindAddress: setting('healthProbeBindAddress'),
    concurrency: setting('concurrency'),
    resyncPeriod: resyncPeriod ?? DEFAULT_RESYNC,
    logLevel: setting('logLevel'),
    logFormat: setting('logFormat'),
    leaderElection: {
      enabled: setting('leaderElect'),
      namespace: setting('leaderElectionNamespace'),
      leaseDuration: leaderElection?.leaseDuration ?? DEFAULT_LEASE.leaseDuration,
      renewDeadline: leaderElection?.renewDeadline ?? DEFAULT_LEASE.renewDeadline,
      retryPeriod: leaderElection?.retryPeriod ?? DEFAULT_LEASE.retryPeriod,
    },
    protectedNamespaces: protectedNamespaces ?? PROTECTED_NAMESPACES,
    configurationFile: path === undefined || text === undefined ? undefined : { path, text },
    cluster: {
      clusterDNS: { ...CLUSTER_DEFAULTS.clusterDNS, ...defined(clusterDNS ?? {}) },
      ingressControllers: file.ingressControllers ?? CLUSTER_DEFAULTS.ingressControllers,
      monitoring: file.monitoring ?? CLUSTER_DEFAULTS.monitoring,
      nodeCIDRs: file.nodeCIDRs ?? CLUSTER_DEFAULTS.nodeCIDRs,
      podCIDRs: file.podCIDRs ?? CLUSTER_DEFAULTS.podCIDRs,
      webhookSourceCIDRs: file.webhookSourceCIDRs ?? CLUSTER_DEFAULTS.webhookSourceCIDRs,
      maxNodeAddresses: file.maxNodeAddresses ?? CLUSTER_DEFAULTS.maxNodeAddresses,
    },
  };
  checkTogether(options, problems);
  if (problems.length > 0) throw new OptionsError(problems);
  if (flags.has('print-config')) return { kind: 'print-config', text: configurationText(options) };
  return { kind: 'options', options };
}

/** The text that each flag on the command line was given; the last one counts. */
function readFlags(argv: readonly string[], problems: string[]): Map<string, string> {
  const settings = new Map<string, { readonly takesValue: boolean }>(
    Object.values(SETTINGS).map(({ flag, value }) => [flag, { takesValue: value !== undefined }]),
  );
  const known = [...settings.keys(), ...Object.keys(QUESTIONS)];
  const { tokens } = parseArgs({
    // Go's flags may begin with one dash.
    args: argv.map((argument) => (/^-[a-z][a-z]/.test(argument) ? `-${argument}` : argument)),
    options: {
      ...Object.fromEntries(
        known.map((flag) => [
          flag,
          { type: settings.get(flag)?.takesValue ? ('string' as const) : ('boolean' as const) },
        ]),
      ),
      help: { type: 'boolean', short: 'h' },
    },
    strict: false,
    tokens: true,
  });
  const flags = new Map<string, string>();
  let mayBeItsValue = false;
  for (const token of tokens) {
    if (token.kind === 'positional' && !mayBeItsValue) problems.push(`unexpected argument "${token.value}"`);
    mayBeItsValue = false;
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    if (!known.includes(name)) {
      mayBeItsValue = true;
      problems.push(
        `unknown flag ${rawName}${didYouMean(
          rawName,
          known.map((flag) => `--${flag}`),
        )}`,
      );
    } else if (!settings.get(name)?.takesValue) {
      flags.set(name, value ?? 'true');
    } else if (value === undefined || value === '' || (!inlineValue && value.startsWith('-'))) {
      mayBeItsValue = true;
      problems.push(`--${name}: a value is needed`);
    } else {
      flags.set(name, value);
    }
  }
  return flags;
}

function checkEnvironment(env: OptionsInput['env'], problems: string[]): void {
  const known = Object.values(SETTINGS).map(({ flag }) => environmentName(flag));
  for (const name of Object.keys(env)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || known.includes(name) || isServiceVariable(name)) continue;
    problems.push(`unknown environment variable ${name}${didYouMean(name, known)}`);
  }
}

function readFile(path: string, read: OptionsInput['readFile'], problems: string[]): string | undefined {
  try {
    return read(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const reasons = {
      ENOENT: 'there is no such file',
      EACCES: 'permission denied',
      EISDIR: 'it is a directory',
    };
    const reason =
      reasons[String(code) as keyof typeof reasons] ??
      (error instanceof Error ? error.message : String(error));
    problems.push(`the configuration file ${path} cannot be read: ${reason}`);
    return undefined;
  }
}

function checkTogether(options: Options, problems: string[]): void {
  const { leaseDuration, renewDeadline, retryPeriod } = options.leaderElection;
  const said = (name: 'leaseDuration' | 'renewDeadline' | 'retryPeriod') =>
    `leaderElection.${name} (${formatDuration(options.leaderElection[name])})`;
  if (leaseDuration % 1000 !== 0)
    problems.push(`${said('leaseDuration')} must be whole seconds, as a Lease holds it`);
  if (leaseDuration <= renewDeadline) {
    problems.push(`${said('leaseDuration')} must be longer than ${said('renewDeadline')}`);
  }
  if (renewDeadline <= retryPeriod * RETRY_JITTER) {
    problems.push(
      `${said('renewDeadline')} must be longer than ${RETRY_JITTER} times ${said('retryPeriod')}`,
    );
  }
  const { enabled, certPath } = options.metricsSecurity;
  if (certPath !== undefined && !enabled) {
    problems.push(
      `--${SETTINGS.metricsCertPath.flag} (${certPath}) has no use without --${SETTINGS.metricsSecure.flag}: add that, or leave it out`,
    );
  }
  const metrics = parseBindAddress(options.metricsBindAddress);
  const health = parseBindAddress(options.healthProbeBindAddress);
  if (
    typeof metrics === 'object' &&
    typeof health === 'object' &&
    metrics.port !== 0 &&
    metrics.port === health.port
  ) {
    if (metrics.host === health.host || metrics.host === undefined || health.host === undefined) {
      problems.push(
        `--${SETTINGS.metricsBindAddress.flag} and --${SETTINGS.healthProbeBindAddress.flag} both ask for port ` +
          `${metrics.port}; give them different ports`,
      );
    }
  }
}

/** `object` without its undefined values. */
function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
