// The kinds that carry a pod template, each as a request to create an object with the given pod spec.

export interface TemplateKind {
  readonly kind: string;
  /** True if it has a subresource for its scale. */
  readonly isScaled: boolean;
  /** The path of the collection in a namespace. */
  readonly path: (namespace: string) => string;
  readonly object: (name: string, podSpec: object) => object;
}

const inGroup = (group: string, plural: string) => (namespace: string) =>
  `${group === '' ? '/api' : `/apis/${group}`}/v1/namespaces/${namespace}/${plural}`;
const labels = { app: 'x' };
const selected = (podSpec: object, more: object = {}) => ({
  selector: { matchLabels: labels },
  template: { metadata: { labels }, spec: podSpec },
  ...more,
});

function kind(group: string, name: string, plural: string, spec: (podSpec: object) => object): TemplateKind {
  const apiVersion = group === '' ? 'v1' : `${group}/v1`;
  return {
    kind: name,
    isScaled: !['DaemonSet', 'Job', 'CronJob'].includes(name),
    path: inGroup(group, plural),
    object: (named, podSpec) => ({ apiVersion, kind: name, metadata: { name: named }, spec: spec(podSpec) }),
  };
}

const job = (podSpec: object) => ({ template: { spec: { restartPolicy: 'Never', ...podSpec } } });

export const DEPLOYMENT = kind('apps', 'Deployment', 'deployments', (podSpec) => selected(podSpec));

export const TEMPLATE_KINDS: readonly TemplateKind[] = [
  DEPLOYMENT,
  kind('apps', 'StatefulSet', 'statefulsets', (podSpec) => selected(podSpec, { serviceName: 'x' })),
  kind('apps', 'DaemonSet', 'daemonsets', (podSpec) => selected(podSpec)),
  kind('apps', 'ReplicaSet', 'replicasets', (podSpec) => selected(podSpec)),
  kind('batch', 'Job', 'jobs', job),
  kind('batch', 'CronJob', 'cronjobs', (podSpec) => ({
    schedule: '0 0 1 1 *',
    jobTemplate: { spec: job(podSpec) },
  })),
  kind('', 'ReplicationController', 'replicationcontrollers', (podSpec) => ({
    selector: labels,
    template: { metadata: { labels }, spec: podSpec },
  })),
];
