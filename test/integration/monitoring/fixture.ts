/** The configuration of the real Prometheus in tests, and the state of the cluster that its metrics show. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { readRepositoryFile } from '../../docs/pages.ts';
import { eventually, type Sandbox } from '../../support/cluster.ts';
import { serviceAccountToken } from '../../support/monitoring/scrape.ts';

export const JOB = 'segmentation-operator';
const INTERVAL = '500ms';

/**
 * A job like that of the ServiceMonitor, with Prometheus' preferred format (OpenMetrics), and a job with the older format.
 * Prometheus authenticates by the token of a ServiceAccount with the permission to get metrics, as in a cluster.
 */
export async function configuration(
  box: Sandbox,
  url: string,
): Promise<{ configuration: object; token: string }> {
  const token = await serviceAccountToken(box, `${box.id}-prometheus`);
  await box.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: `${box.id}-metrics-reader` },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'segmentation-operator-metrics-reader',
    },
    subjects: [{ kind: 'ServiceAccount', name: `${box.id}-prometheus`, namespace: 'default' }],
  });
  const monitor = parse(readRepositoryFile('config/prometheus/service_monitor.yaml')) as {
    spec: {
      endpoints: [{ path: string; scheme: string; tlsConfig: { insecureSkipVerify: boolean } }];
    };
  };
  const [{ path, scheme, tlsConfig }] = monitor.spec.endpoints;
  const job = {
    metrics_path: path,
    scheme,
    authorization: { credentials: token },
    tls_config: { insecure_skip_verify: tlsConfig.insecureSkipVerify },
    static_configs: [
      {
        targets: [new URL(url).host],
        labels: { namespace: 'segmentation-system', pod: 'a', cluster: 'here' },
      },
    ],
  };
  return {
    token,
    configuration: {
      global: { scrape_interval: INTERVAL, scrape_timeout: INTERVAL, evaluation_interval: INTERVAL },
      rule_files: ['rules.yaml'],
      scrape_configs: [
        { job_name: JOB, ...job },
        { job_name: 'text', scrape_protocols: ['PrometheusText0.0.4'], ...job },
      ],
    },
  };
}

/** Creates a profile whose rollout is paused. It selects no namespace. */
export async function pausedRollout(box: Sandbox): Promise<void> {
  const profile = await box.profile('rollout', {
    namespaceSelector: { matchLabels: { [`${box.id}.example.com/rollout`]: 'yes' } },
    rollout: { paused: true, waves: [{ name: 'first', percent: 50 }] },
  });
  await eventually(async () =>
    assert.equal((await box.readProfile(profile)).status?.rollout?.phase, 'Paused'),
  );
}

/** Creates policies, a repaired deletion, a conflict and an unresolved peer. Resolves the profile's name. */
export async function work(box: Sandbox): Promise<string> {
  const [first, second] = [await box.namespace('first'), await box.namespace('second')];
  const name = `${box.id}-strict`;
  await box.createPolicy(second, `${name}.default-deny`, { podSelector: {}, policyTypes: ['Ingress'] });
  const profile = await box.profile('strict');
  assert.equal(profile, name);
  await eventually(async () => assert.equal((await box.condition(profile, 'Ready')).status, 'True'));
  await box.deletePolicy(first, `${profile}.default-deny`);
  await eventually(() => box.policy(first, `${profile}.default-deny`));
  const late = await box.namespace('late');
  await eventually(() => box.policy(late, `${profile}.default-deny`));
  await box.edit(profile, {
    egress: [{ name: 'to-nowhere', to: [{ service: { namespace: first, name: 'nowhere' } }] }],
    admission: { protect: 'Warn' },
    workloads: { podSecurity: { warn: 'baseline' } },
  });
  await eventually(async () => assert.equal((await box.condition(profile, 'PeersResolved')).status, 'False'));
  return profile;
}
