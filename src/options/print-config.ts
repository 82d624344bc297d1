/** The text of --print-config. */
import { stringify } from 'yaml';
import { formatDuration } from '../util/duration.ts';
import { CONFIG_API_VERSION, CONFIG_KIND } from './file.ts';
import type { Options } from './options.ts';

/** The options as the text of a configuration file that gives the same ones, but for --kubeconfig and --context. */
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
      canary: options.canary,
      engine: options.engine,
      mesh: options.mesh,
      ...(options.guard && { guard: options.guard }),
      ...(options.audit && {
        audit: {
          ...options.audit,
          interval: formatDuration(options.audit.interval),
          changeDelay: formatDuration(options.audit.changeDelay),
        },
      }),
      ...(options.prometheus && { prometheus: options.prometheus }),
      ...options.cluster,
    },
    { compat: 'yaml-1.1', lineWidth: 110, aliasDuplicateObjects: false },
  ).trimEnd();
}
