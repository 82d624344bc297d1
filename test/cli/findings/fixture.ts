/** Reports of an audit of the small shop of ../reach/fixture.ts. */
import type { Finding, Severity } from '../../../src/audit/finding.ts';
import { CHECKS } from '../../../src/audit/registry.ts';
import { WAIVER_CHECKS } from '../../../src/audit/waivers/checks.ts';
import type { AuditReport } from '../../../src/cli/findings/run.ts';
import { EVIL } from '../reach/fixture.ts';

/** A finding of a real check. @param object kind, namespace and name: `Deployment shop/web`, `ClusterRole admin` */
export function finding(check: string, object: string, rest: Partial<Finding> = {}): Finding {
  const known = [...CHECKS, ...WAIVER_CHECKS].find(({ id }) => id === check);
  if (known === undefined) throw new Error(`no check ${check}`);
  const [, kind = '', namespace, name = ''] = /^(\S+) (?:([^/]+)\/)?(.+)$/.exec(object) ?? [];
  const { category, severity, remedy } = known;
  return {
    check,
    category,
    severity,
    remedy,
    message: `${check} of ${name}`,
    object: { kind, ...(namespace !== undefined && { namespace }), name },
    ...rest,
  };
}

export function report(findings: readonly Finding[], rest: Partial<AuditReport> = {}): AuditReport {
  return { findings, waived: [], known: 0, checks: [...CHECKS, ...WAIVER_CHECKS], skipped: [], ...rest };
}

const waiver = {
  check: 'pod-host-path',
  object: 'Deployment monitoring/node-exporter',
  reason: `It reads the node. ${EVIL}`,
  by: 'ada@example.com',
  until: '2027-03-31',
  place: 'waivers.yaml:2',
};

export const SHOP_REPORT = report(
  [
    finding('pod-privileged', 'Deployment checkout/checkout', {
      field: 'spec.containers[0].securityContext.privileged',
      message: 'the container is privileged',
    }),
    finding('pod-privileged', 'Deployment old/billing', { message: `the container is ${EVIL}` }),
    finding('namespace-without-policy', 'Namespace monitoring'),
    finding('account-reads-secrets', 'ClusterRole readers', { remedy: 'Name the Secrets.' }),
    finding('pod-resources', 'Deployment checkout/checkout'),
    finding('policy-selects-nothing', 'NetworkPolicy old/tenant'),
    finding('service-selects-nothing', 'Service empty/web'),
  ],
  {
    known: 3,
    waived: [{ finding: finding('pod-host-path', 'Deployment monitoring/node-exporter'), waiver }],
    skipped: CHECKS.filter(({ id }) => id === 'ingress-without-tls').map((check) => ({
      check,
      unread: ['Ingress'],
    })),
  },
);

/** A report of `count` findings, a hundred to an object, of falling severities. */
export function largeReport(count: number): AuditReport {
  const checks = CHECKS.slice(0, 20);
  const severities: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info'];
  return report(
    Array.from({ length: count }, (_, index) => {
      const workload = Math.floor(index / 100);
      return finding(
        checks[index % checks.length]?.id ?? '',
        `Deployment team-${workload % 100}/app-${Math.floor(workload / 100)}`,
        {
          field: `spec.containers[${index % 100}]`,
          severity: severities[Math.floor((5 * index) / count)] ?? 'info',
        },
      );
    }),
  );
}
