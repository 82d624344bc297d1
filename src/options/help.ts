/** What --help and --print-config print. */
import { stringify } from 'yaml';
import type { Options } from './parse.ts';
import { formatDuration } from './duration.ts';
import { CONFIG_API_VERSION, CONFIG_KIND } from './file.ts';
import { ENVIRONMENT_PREFIX, environmentName, QUESTIONS, type Setting, SETTINGS } from './settings.ts';

/** At most 110 columns. */
export function helpText(): string {
  const groups = new Map<string, [flag: string, help: string][]>();
  const add = (group: string, flag: string, help: string) =>
    groups.set(group, [...(groups.get(group) ?? []), [flag, help]]);
  for (const setting of Object.values(SETTINGS) as Setting<string | number | boolean | undefined>[]) {
    const fallback = setting.fallback === undefined ? setting.otherwise : String(setting.fallback);
    add(
      setting.group,
      `--${setting.flag}${setting.value === undefined ? '' : ` ${setting.value}`}`,
      setting.help + (fallback === undefined ? '' : ` [${fallback}]`),
    );
  }
  for (const [flag, help] of Object.entries(QUESTIONS)) add('Information', `--${flag}`, help);
  const width = Math.max(...[...groups.values()].flat().map(([flag]) => flag.length));
  const body = [...groups].map(([group, rows]) =>
    [`${group}:`, ...rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`)].join('\n'),
  );
  return [
    'Keeps the NetworkPolicies that SegmentationProfiles ask for in every namespace that they select.',
    'Usage: segmentation-operator [FLAG ...]',
    ...body,
    `Each flag is also an environment variable: --log-level is ${environmentName(SETTINGS.logLevel.flag)}.\n` +
      `Flags count before ${ENVIRONMENT_PREFIX}* variables, these before the file of --config, that before the [default].`,
  ].join('\n\n');
}

/** The options as a configuration file that means the same (what a file can't say, --kubeconfig and --context, aside). */
export function configurationText(options: Options): string {
  const { enabled, namespace, leaseDuration, renewDeadline, retryPeriod } = options.leaderElection;
  const security = options.metricsSecurity;
  return stringify(
    {
      apiVersion: CONFIG_API_VERSION,
      kind: CONFIG_KIND,
      metrics: {
        bindAddress: options.metricsBindAddress,
        secure: security.enabled,
        ...(security.certPath !== undefined && { certPath: security.certPath }),
        certName: security.certName,
        certKey: security.certKey,
      },
      health: { bindAddress: options.healthProbeBindAddress },
      log: { level: options.logLevel, format: options.logFormat },
      concurrency: options.concurrency,
      resyncPeriod: formatDuration(options.resyncPeriod),
      leaderElection: {
        enabled,
        ...(namespace !== undefined && { namespace }),
        leaseDuration: formatDuration(leaseDuration),
        renewDeadline: formatDuration(renewDeadline),
        retryPeriod: formatDuration(retryPeriod),
      },
      protectedNamespaces: options.protectedNamespaces,
      ...options.cluster,
    },
    { lineWidth: 110, aliasDuplicateObjects: false },
  ).trimEnd();
}
