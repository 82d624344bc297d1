/**
 * The operator's options from flags, then SEGMENTATION_* variables, then the configuration file, then defaults. Pure but
 * for reading the file, which the caller passes in. Everything that is wrong is reported at once, and nothing that is
 * given is ignored.
 */
import type { GuardSetting } from '../engines/guards/objects.ts';
import { FIRST_PRIORITY, LAST_PRIORITY } from '../engines/guards/priority.ts';
import { readCommandLine } from '../util/command-line.ts';
import { didYouMean } from '../util/text/suggest.ts';
import { isLoopback, parseBindAddress } from './bind-address.ts';
import { CLUSTER_DEFAULTS, PROTECTED_NAMESPACES } from './cluster-defaults.ts';
import { formatDuration } from '../util/duration.ts';
import { type ConfigurationFile, readConfiguration } from './file.ts';
import { helpText } from './help.ts';
import {
  type ClusterAuditOptions,
  type ConfigurationSource,
  type LeaderElectionOptions,
  type Options,
  OptionsError,
  type PrometheusOptions,
} from './options.ts';
import { configurationText } from './print-config.ts';
import {
  ENVIRONMENT_PREFIX,
  environmentName,
  isServiceVariable,
  QUESTIONS,
  type Scalars,
  type Setting,
  SETTINGS,
} from './settings.ts';
import { errorMessage } from '../util/error-message.ts';

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

export const AUDIT_DEFAULTS: ClusterAuditOptions = {
  enabled: true,
  interval: 3_600_000,
  changeDelay: 60_000,
  minSeverity: 'medium',
  skip: [],
  registries: [],
  waivers: [],
  maxResults: 200,
  maxMemoryMiB: 256,
};
const DEFAULT_LEASE = { leaseDuration: 15_000, renewDeadline: 10_000, retryPeriod: 2000 };
const DEFAULT_RESYNC = 10 * 3_600_000;
/** client-go adds up to a fifth of the period to each retry; one retry must fit before the deadline. */
const RETRY_JITTER = 1.2;

/** @throws OptionsError */
export function parseOptions(input: OptionsInput): Parsed {
  const problems: string[] = [];
  const flags = readFlags(input.argv, problems);
  if (flags.has('help')) return { kind: 'help', text: helpText() };
  if (flags.has('version')) return { kind: 'version', text: `segmentation-operator ${input.version}` };
  checkEnvironment(input.env, problems);

  const path = readSetting('config', { flags, env: input.env, file: {}, problems });
  const source = path === undefined ? undefined : readSource(path, input.readFile, problems);
  const file = source === undefined ? {} : readConfiguration(source.text, source.path, problems);
  const options = combine({ flags, env: input.env, file, problems }, source);
  problems.push(
    ...leaseProblems(options.leaderElection),
    ...certificateProblems(options),
    ...portProblems(options),
    ...guardProblems(options),
  );
  if (problems.length > 0) throw new OptionsError(problems);
  if (flags.has('print-config')) return { kind: 'print-config', text: configurationText(options) };
  return { kind: 'options', options };
}

/** The places that give options, strongest first, and where their problems are collected. */
interface Layers {
  /** The text of each flag. */
  readonly flags: ReadonlyMap<string, string>;
  readonly env: OptionsInput['env'];
  readonly file: ConfigurationFile;
  readonly problems: string[];
}

function readSetting<K extends keyof Scalars>(name: K, { flags, env, file, problems }: Layers): Scalars[K] {
  const { flag, shape, fromText, inFile, fallback }: Setting<Scalars[K]> = SETTINGS[name];
  const variable = environmentName(flag);
  const given = flags.get(flag);
  const text = given ?? (env[variable] || undefined);
  if (text === undefined) return inFile?.(file) ?? fallback;
  const source = given === undefined ? variable : `--${flag}`;
  return shape(fromText ? fromText(text) : text, source, problems) ?? fallback;
}

function combine(layers: Layers, configurationFile: ConfigurationSource | undefined): Options {
  const { file } = layers;
  const setting = <K extends keyof Scalars>(name: K) => readSetting(name, layers);
  const metricsBindAddress = setting('metricsBindAddress');
  return {
    kubeconfig: setting('kubeconfig'),
    context: setting('context'),
    kubeApiContentType: setting('kubeApiContentType'),
    metricsBindAddress,
    metricsSecurity: {
      enabled: setting('metricsSecure') ?? !isLoopback(metricsBindAddress),
      certPath: setting('metricsCertPath'),
      certName: setting('metricsCertName'),
      certKey: setting('metricsCertKey'),
    },
    healthProbeBindAddress: setting('healthProbeBindAddress'),
    concurrency: setting('concurrency'),
    resyncPeriod: file.resyncPeriod ?? DEFAULT_RESYNC,
    logLevel: setting('logLevel'),
    logFormat: setting('logFormat'),
    leaderElection: {
      enabled: setting('leaderElect'),
      namespace: setting('leaderElectionNamespace'),
      leaseDuration: file.leaderElection?.leaseDuration ?? DEFAULT_LEASE.leaseDuration,
      renewDeadline: file.leaderElection?.renewDeadline ?? DEFAULT_LEASE.renewDeadline,
      retryPeriod: file.leaderElection?.retryPeriod ?? DEFAULT_LEASE.retryPeriod,
    },
    protectedNamespaces: file.protectedNamespaces ?? PROTECTED_NAMESPACES,
    canary: setting('canary'),
    engine: setting('engine'),
    mesh: setting('mesh'),
    guard: guardOptions(file),
    configurationFile,
    audit: file.audit && { ...AUDIT_DEFAULTS, ...defined(file.audit) },
    prometheus: readPrometheus(file, layers.problems),
    cluster: {
      clusterDNS: { ...CLUSTER_DEFAULTS.clusterDNS, ...defined(file.clusterDNS ?? {}) },
      ingressControllers: file.ingressControllers ?? CLUSTER_DEFAULTS.ingressControllers,
      engineIngress: file.engineIngress ?? CLUSTER_DEFAULTS.engineIngress,
      monitoring: file.monitoring ?? CLUSTER_DEFAULTS.monitoring,
      nodeCIDRs: file.nodeCIDRs ?? CLUSTER_DEFAULTS.nodeCIDRs,
      podCIDRs: file.podCIDRs ?? CLUSTER_DEFAULTS.podCIDRs,
      webhookSourceCIDRs: file.webhookSourceCIDRs ?? CLUSTER_DEFAULTS.webhookSourceCIDRs,
      maxNodeAddresses: file.maxNodeAddresses ?? CLUSTER_DEFAULTS.maxNodeAddresses,
    },
  };
}

function guardOptions({ guard }: ConfigurationFile): GuardSetting | undefined {
  if (guard?.kind === undefined) return undefined;
  const { kind, firstPriority = FIRST_PRIORITY, lastPriority = LAST_PRIORITY } = guard;
  return { kind, firstPriority, lastPriority };
}

function guardProblems({ guard }: Options): string[] {
  if (guard === undefined || guard.firstPriority <= guard.lastPriority) return [];
  return [
    `guard.lastPriority (${guard.lastPriority}) must not be below guard.firstPriority (${guard.firstPriority}): set both`,
  ];
}

/** The text of each flag on the command line; where a flag is repeated, the last one counts. */
function readFlags(argv: readonly string[], problems: string[]): Map<string, string> {
  const definitions = [
    ...Object.values(SETTINGS).map(({ flag, value }) => ({ name: flag, takesValue: value !== undefined })),
    ...Object.keys(QUESTIONS).map((name) => ({
      name,
      takesValue: false,
      ...(name === 'help' && { short: 'h' }),
    })),
  ];
  const { flags, errors } = readCommandLine(
    // Go's flags may begin with one dash.
    argv.map((argument) => (/^-[a-z][a-z]/.test(argument) ? `-${argument}` : argument)),
    { flags: definitions, takesWords: false },
  );
  const known = definitions.map(({ name }) => `--${name}`);
  for (const error of errors) {
    if (error.kind === 'unknown-flag')
      problems.push(`unknown flag ${error.flag}${didYouMean(error.flag, known)}`);
    else if (error.kind === 'missing-value') problems.push(`--${error.name}: a value is needed`);
    else problems.push(`unexpected argument "${error.argument}"`);
  }
  return new Map(flags.map(({ name, value }) => [name, value ?? 'true']));
}

function checkEnvironment(env: OptionsInput['env'], problems: string[]): void {
  const known = Object.values(SETTINGS).map(({ flag }) => environmentName(flag));
  for (const name of Object.keys(env)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || known.includes(name) || isServiceVariable(name)) continue;
    problems.push(`unknown environment variable ${name}${didYouMean(name, known)}`);
  }
}

function readSource(
  path: string,
  read: OptionsInput['readFile'],
  problems: string[],
): ConfigurationSource | undefined {
  try {
    return { path, text: read(path) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const reasons = {
      ENOENT: 'there is no such file',
      EACCES: 'permission denied',
      EISDIR: 'it is a directory',
    };
    const reason = reasons[String(code) as keyof typeof reasons] ?? errorMessage(error);
    problems.push(`the configuration file ${path} cannot be read: ${reason}`);
    return undefined;
  }
}

function leaseProblems(lease: LeaderElectionOptions): string[] {
  const { leaseDuration, renewDeadline, retryPeriod } = lease;
  const named = (name: 'leaseDuration' | 'renewDeadline' | 'retryPeriod') =>
    `leaderElection.${name} (${formatDuration(lease[name])})`;
  const problems: string[] = [];
  if (leaseDuration % 1000 !== 0)
    problems.push(`${named('leaseDuration')} must be whole seconds, as a Lease holds it`);
  if (leaseDuration <= renewDeadline) {
    problems.push(`${named('leaseDuration')} must be longer than ${named('renewDeadline')}`);
  }
  if (renewDeadline <= retryPeriod * RETRY_JITTER) {
    problems.push(
      `${named('renewDeadline')} must be longer than ${RETRY_JITTER} times ${named('retryPeriod')}`,
    );
  }
  return problems;
}

function certificateProblems({ metricsSecurity: { enabled, certPath } }: Options): string[] {
  if (certPath === undefined || enabled) return [];
  const [path, secure] = [SETTINGS.metricsCertPath.flag, SETTINGS.metricsSecure.flag];
  return [`--${path} (${certPath}) has no use without --${secure}: add that, or leave it out`];
}

function readPrometheus(
  { prometheus }: ConfigurationFile,
  problems: string[],
): PrometheusOptions | undefined {
  if (prometheus === undefined) return undefined;
  const { url, caFile, tokenFile } = prometheus;
  if (url === undefined) return undefined;
  const isSecure = url.startsWith('https:');
  if (!isSecure && tokenFile !== undefined)
    problems.push(
      'prometheus.tokenFile: the token would be readable on its way to an http server: write an https URL',
    );
  if (!isSecure && caFile !== undefined)
    problems.push('prometheus.caFile has no use for an http server: write an https URL, or leave it out');
  return { url, caFile, tokenFile };
}

function portProblems({ metricsBindAddress, healthProbeBindAddress }: Options): string[] {
  const metrics = parseBindAddress(metricsBindAddress);
  const health = parseBindAddress(healthProbeBindAddress);
  if (typeof metrics !== 'object' || typeof health !== 'object') return [];
  if (metrics.port === 0 || metrics.port !== health.port) return [];
  const overlap = metrics.host === health.host || metrics.host === undefined || health.host === undefined;
  if (!overlap) return [];
  return [
    `--${SETTINGS.metricsBindAddress.flag} and --${SETTINGS.healthProbeBindAddress.flag} both ask for port ` +
      `${metrics.port}; give them different ports`,
  ];
}

/** `object` without its undefined values. */
function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
