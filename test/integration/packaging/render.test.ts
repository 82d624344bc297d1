/** The chart and config/, rendered by the real helm and kustomize: they are equal, and the chart's values take effect. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parse, stringify } from 'yaml';
import { namespaceChoice } from '../../../scripts/install/namespace-choice.ts';
import { readConfiguration } from '../../../src/options/file.ts';
import { locateBinaries } from '../../env/index.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { CHART, Helm } from '../../support/helm.ts';

const root = join(import.meta.dirname, '../../..');
const NAMESPACE = 'segmentation-system';
const RELEASE = 'segmentation-operator';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

interface Deployment {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: {
        readonly volumes?: readonly object[];
        readonly containers: readonly {
          readonly image: string;
          readonly args: readonly string[];
          readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
        }[];
      };
    };
  };
}

const parsed = new Map<string, Manifest | null>();

/** The objects of a stream of YAML documents. Most outputs have the same large documents, which are parsed once. */
function documents(text: string): Manifest[] {
  return text
    .split(/^---$/m)
    .map((document) => {
      const known = parsed.get(document) ?? (parse(document) as Manifest | null);
      parsed.set(document, known);
      return known;
    })
    .filter((manifest) => manifest !== null);
}
const title = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`;
const byPlace = (manifests: readonly Manifest[]) =>
  new Map(manifests.map((each) => [`${title(each)} in ${String(each.metadata['namespace'])}`, each]));
const byTitle = (manifests: readonly Manifest[]) => new Map(manifests.map((each) => [title(each), each]));

/** Labels and annotations that a chart adds to every object, without effect. */
const OF_HELM = new Set([
  'helm.sh/chart',
  'helm.sh/resource-policy',
  'app.kubernetes.io/instance',
  'app.kubernetes.io/version',
  'app.kubernetes.io/managed-by',
]);

/** The object without those labels and annotations, and without empty maps of them. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key]) => !OF_HELM.has(key))
    .map(([key, each]) => [key, plain(each)] as const);
  return Object.fromEntries(
    entries.filter(([key, each]) => key !== 'annotations' || Object.keys(each as object).length > 0),
  );
}

/** Optional components: the value of the chart, the folder, how many objects it has, and the setting that it needs. */
const COMPONENTS: readonly (readonly [
  value: string,
  directory: string,
  objects: number,
  setting?: string,
])[] = [
  ['serviceAccounts.enabled', 'config/service-accounts', 6],
  ['podSecurity.enabled', 'config/pod-security', 4],
  ['workloads.enabled', 'config/workloads', 7],
  ['rollout.enabled', 'config/rollout', 4],
  ['exceptions.enabled', 'config/exceptions', 11],
  ['engines.cilium', 'config/engines/cilium', 4, 'config.engine=Cilium'],
  ['engines.istioPolicies', 'config/engines/istio-policies', 4, 'config.mesh=Istio'],
  ['engines.calico', 'config/engines/calico', 4, 'config.engine=Calico'],
  ['engines.gke', 'config/engines/gke', 4, 'config.engine=GKE'],
];

const VARIANTS: readonly (readonly [what: string, directory: string, values: readonly string[]])[] = [
  ['the defaults, config/default', 'config/default', []],
  ['values-ha.yaml, config/overlays/ha', 'config/overlays/ha', ['--values', join(CHART, 'values-ha.yaml')]],
];

(goIsThere ? describe : describe.skip)(`the chart${skippedWithoutGo}`, () => {
  let directory: string;
  let helm: Helm;

  before(async function () {
    this.timeout('15m');
    directory = mkdtempSync(join(tmpdir(), 'helm-'));
    helm = await Helm.find(directory);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const template = async (...args: readonly string[]) =>
    documents(await helm.run('template', RELEASE, CHART, '--namespace', NAMESPACE, ...args));
  /** The output of kustomize for these parts of config/. */
  const kustomized = async (parts: Readonly<Record<'resources' | 'components', readonly string[]>>) => {
    mkdirSync(join(root, 'dist'), { recursive: true });
    const folder = mkdtempSync(join(root, 'dist/kustomized-'));
    try {
      const paths = (names: readonly string[]) =>
        names.map((name) => relative(folder, join(root, 'config', name)));
      const kustomization = { resources: paths(parts.resources), components: paths(parts.components) };
      writeFileSync(join(folder, 'kustomization.yaml'), stringify(kustomization));
      const { kubectl } = await locateBinaries();
      return documents(execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8' }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  const deploymentOf = (manifests: readonly Manifest[]) =>
    manifests.find(({ kind }) => kind === 'Deployment') as unknown as Deployment;

  for (const [what, folder, values] of VARIANTS) {
    it(`passes helm lint, and equals config/ by ${what}`, async () => {
      assert.match(
        await helm.run('lint', '--strict', CHART, ...values),
        /1 chart\(s\) linted, 0 chart\(s\) failed/,
      );
      const { kubectl } = await locateBinaries();
      const kustomize = execFileSync(kubectl, ['kustomize', join(root, folder)], { encoding: 'utf8' });
      // Helm creates the namespace itself (--create-namespace), or finds it.
      const expected = documents(kustomize).filter(({ kind }) => kind !== 'Namespace');
      const actual = await template(...values);
      assert.deepEqual([...byTitle(actual).keys()].sort(), [...byTitle(expected).keys()].sort());
      assert.equal(actual.length, expected.length);
      for (const [key, manifest] of byTitle(expected)) {
        assert.deepEqual(plain(byTitle(actual).get(key)), plain(manifest), key);
      }
    });
  }

  it('equals config/namespace in another namespace', async () => {
    const outfile = join(directory, 'install.yaml');
    const script = join(root, 'scripts/install/build-install.ts');
    const args = ['--overlay', 'ha', '--namespace', 'network-security', '--outfile', outfile];
    execFileSync(process.execPath, [script, ...args], { stdio: 'pipe' });
    const text = readFileSync(outfile, 'utf8');
    assert.doesNotMatch(text, /segmentation-system/);
    const [namespace, ...expected] = documents(text).sort(
      (a, b) => Number(b.kind === 'Namespace') - Number(a.kind === 'Namespace'),
    );
    assert.equal(namespace && title(namespace), 'Namespace network-security');
    const values = ['--values', join(CHART, 'values-ha.yaml'), '--namespace', 'network-security'];
    const actual = documents(await helm.run('template', RELEASE, CHART, ...values));
    assert.deepEqual([...byTitle(actual).keys()].sort(), [...byTitle(expected).keys()].sort());
    for (const [key, manifest] of byTitle(expected)) {
      assert.deepEqual(plain(byTitle(actual).get(key)), plain(manifest), key);
    }
  });

  it('leaves no other namespace in optional components with config/namespace', async () => {
    mkdirSync(join(root, 'dist'), { recursive: true });
    const folder = mkdtempSync(join(root, 'dist/namespace-'));
    try {
      const path = (name: string) => relative(folder, join(root, 'config', name));
      const kustomization = {
        resources: [
          path('default'),
          path('service-accounts'),
          path('workloads'),
          path('pod-security'),
          path('rollout'),
          path('exceptions'),
          path('audit'),
          path('engines/detect'),
          path('engines/cilium'),
          path('engines/calico'),
          path('engines/gke'),
          path('engines/calico-guard'),
          path('engines/istio'),
          path('engines/cluster-network-policy'),
          path('engines/istio-policies'),
          'namespace.yaml',
        ],
        components: [path('namespace')],
      };
      writeFileSync(join(folder, 'namespace.yaml'), stringify(namespaceChoice('network-security')));
      writeFileSync(join(folder, 'kustomization.yaml'), stringify(kustomization));
      const { kubectl } = await locateBinaries();
      const text = execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8' });
      assert.match(text, /service-account-guard\.segmentation\.dev/);
      assert.match(text, /workload-images\.segmentation\.dev/);
      assert.match(text, /name: segmentation-operator-namespaces/);
      assert.match(text, /segmentation-operator-audit/);
      assert.match(text, /segmentation-operator-engines/);
      assert.match(text, /segmentation-operator-cilium/);
      assert.match(text, /segmentation-operator-calico/);
      assert.match(text, /segmentation-operator-gke/);
      assert.match(text, /segmentation-operator-calico-guard/);
      assert.match(text, /segmentation-operator-istio/);
      assert.match(text, /segmentation-operator-cluster-network-policy/);
      assert.doesNotMatch(text, /segmentation-system/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has the ServiceMonitor and the alerts of config/prometheus with prometheus.enabled', async () => {
    const files = ['service_monitor.yaml', 'prometheus_rule.yaml'];
    const expected = files.flatMap((file) =>
      documents(readFileSync(join(root, 'config/prometheus', file), 'utf8')),
    );
    const actual = await template('--set', 'prometheus.enabled=true,prometheus.labels.release=kube');
    for (const manifest of expected) {
      const { labels } = manifest.metadata as unknown as { labels: object };
      const labelled = {
        ...manifest,
        metadata: { ...manifest.metadata, labels: { ...labels, release: 'kube' } },
      };
      assert.deepEqual(plain(byTitle(actual).get(title(manifest))), labelled);
    }
  });

  for (const [value, directory, objects, setting] of COMPONENTS) {
    it(`has the ${objects} objects of ${directory} with ${value}`, async () => {
      const { kubectl } = await locateBinaries();
      const folder = join(root, directory);
      const expected = documents(execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8' }));
      assert.equal(expected.length, objects);
      const set = setting === undefined ? [] : ['--set', setting];
      const actual = await template('--set', `${value}=true`, ...set);
      assert.equal(actual.length, (await template(...set)).length + expected.length);
      for (const manifest of expected)
        assert.deepEqual(plain(byTitle(actual).get(title(manifest))), plain(manifest), title(manifest));
    });
  }

  it('fills in the requester of exceptions where the API server serves MutatingAdmissionPolicies', async () => {
    const { kubectl } = await locateBinaries();
    const folder = join(root, 'config/exceptions/fill-in');
    const expected = documents(execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8' }));
    const kind = 'admissionregistration.k8s.io/v1/MutatingAdmissionPolicy';
    const actual = await template('--set', 'exceptions.enabled=true', '--api-versions', kind);
    for (const manifest of expected)
      assert.deepEqual(plain(byTitle(actual).get(title(manifest))), plain(manifest), title(manifest));
  });

  for (const [what, components, values] of [
    ['canary.enabled', ['canary'], 'canary.enabled=true'],
    ['canary.everyNode', ['canary', 'canary/every-node'], 'canary.enabled=true,canary.everyNode=true'],
    [
      'prometheus.enabled',
      ['prometheus', 'canary', 'canary/prometheus'],
      'canary.enabled=true,prometheus.enabled=true',
    ],
  ] as const) {
    it(`has the canary of config/canary with ${what}`, async () => {
      const expected = await kustomized({
        resources: ['default'],
        components,
      });
      const actual = await template(
        '--set',
        values,
        '--api-versions',
        'segmentation.dev/v1alpha1/SegmentationProfile',
      );
      const ofHelm = expected.filter(
        ({ kind, metadata }) => kind !== 'Namespace' || metadata.name !== NAMESPACE,
      );
      assert.deepEqual([...byTitle(actual).keys()].sort(), [...byTitle(ofHelm).keys()].sort());
      for (const [key, manifest] of byPlace(ofHelm))
        assert.deepEqual(plain(byPlace(actual).get(key)), plain(manifest), key);
    });
  }

  it("creates the canary's profile after everything else, where the CRD is not there yet", async () => {
    const of = async (...args: readonly string[]) => {
      const found = await template('--set', 'canary.enabled=true', ...args);
      return found.find(({ kind }) => kind === 'SegmentationProfile')?.metadata['annotations'];
    };
    assert.deepEqual(await of(), {
      'helm.sh/hook': 'post-install,post-upgrade',
      'meta.helm.sh/release-name': RELEASE,
      'meta.helm.sh/release-namespace': NAMESPACE,
    });
    assert.equal(await of('--set', 'crds.enabled=false'), undefined);
  });

  it('has the permissions of config/audit, and a configuration with an audit, with audit.enabled', async () => {
    const expected = documents(readFileSync(join(root, 'config/audit/cluster_role.yaml'), 'utf8'));
    const actual = await template('--set', 'audit.enabled=true');
    // The ConfigMap is added as well.
    assert.equal(actual.length, (await template()).length + expected.length + 1);
    for (const manifest of expected)
      assert.deepEqual(plain(byTitle(actual).get(title(manifest))), plain(manifest), title(manifest));
    const file = async (...values: readonly string[]) => {
      const map = (await template('--set', values.join())).find(({ kind }) => kind === 'ConfigMap');
      const { data } = map as unknown as { data: Readonly<Record<string, string>> };
      return parse(data['operator.yaml'] ?? '') as { readonly audit?: unknown };
    };
    assert.deepEqual((await file('audit.enabled=true')).audit, { enabled: true });
    assert.deepEqual((await file('audit.enabled=true', 'config.audit.interval=2h')).audit, {
      interval: '2h',
    });
    await assert.rejects(
      template('--set', 'config.audit.interval=2h'),
      /config\.audit needs .* audit\.enabled/,
    );
  });

  it('has the permission of config/engines/detect, and `engine` in the configuration, with engines.detect', async () => {
    const expected = documents(readFileSync(join(root, 'config/engines/detect/cluster_role.yaml'), 'utf8'));
    const actual = await template('--set', 'engines.detect=true');
    assert.equal(actual.length, (await template()).length + expected.length + 1);
    for (const manifest of expected)
      assert.deepEqual(plain(byTitle(actual).get(title(manifest))), plain(manifest), title(manifest));
    const engine = async (...values: readonly string[]) => {
      const map = (await template('--set', values.join())).find(({ kind }) => kind === 'ConfigMap');
      const { data } = map as unknown as { data: Readonly<Record<string, string>> };
      return (parse(data['operator.yaml'] ?? '') as { readonly engine?: unknown }).engine;
    };
    assert.equal(await engine('engines.detect=true'), 'Auto');
    assert.equal(await engine('engines.detect=true', 'config.engine=Cilium'), 'Cilium');
  });

  it('has the permission of config/engines/istio, and `mesh` in the configuration, with engines.istio', async () => {
    const expected = documents(readFileSync(join(root, 'config/engines/istio/cluster_role.yaml'), 'utf8'));
    const actual = await template('--set', 'engines.istio=true');
    assert.equal(actual.length, (await template()).length + expected.length + 1);
    for (const manifest of expected)
      assert.deepEqual(plain(byTitle(actual).get(title(manifest))), plain(manifest), title(manifest));
    const map = actual.find(({ kind }) => kind === 'ConfigMap');
    const { data } = map as unknown as { data: Readonly<Record<string, string>> };
    assert.equal((parse(data['operator.yaml'] ?? '') as { readonly mesh?: unknown }).mesh, 'Istio');
  });

  for (const [value, directory, kind] of [
    ['engines.clusterNetworkPolicy', 'config/engines/cluster-network-policy', 'ClusterNetworkPolicy'],
    ['engines.calicoGuard', 'config/engines/calico-guard', 'GlobalNetworkPolicy'],
  ] as const) {
    it(`has the objects of ${directory}, and \`guard\` in the configuration, with ${value}`, async () => {
      const { kubectl } = await locateBinaries();
      const folder = join(root, directory);
      const expected = documents(execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8' }));
      const actual = await template('--set', `${value}=true`);
      assert.equal(actual.length, (await template()).length + expected.length + 1);
      for (const manifest of expected)
        assert.deepEqual(plain(byTitle(actual).get(title(manifest))), plain(manifest), title(manifest));
      const map = actual.find(({ kind }) => kind === 'ConfigMap') as unknown as {
        data: Readonly<Record<string, string>>;
      };
      const { guard } = parse(map.data['operator.yaml'] ?? '') as { readonly guard?: unknown };
      assert.deepEqual(guard, { kind });
    });
  }

  for (const [values, message, ...right] of [
    ['engines.cilium=true', /engines\.cilium .* config\.engine to Cilium/, 'engines.detect=true'],
    ['engines.calico=true', /engines\.calico .* config\.engine to Calico/, 'config.engine=None'],
    ['engines.gke=true', /engines\.gke .* config\.engine to GKE/, 'env[0].name=SEGMENTATION_ENGINE'],
    ['engines.istioPolicies=true', /engines\.istioPolicies .* set engines\.istio/, 'engines.istio=true'],
    [
      'engines.calicoGuard=true,engines.clusterNetworkPolicy=true',
      /guards are of one kind: leave one of them out .* config\.guard\.kind/,
      'config.guard.kind=ClusterNetworkPolicy',
    ],
  ] as const) {
    it(`refuses ${values} alone, and says what to write`, async () => {
      await assert.rejects(template('--set', values), message);
      for (const each of right) await template('--set', `${values},${each}`);
    });
  }

  it('links each alert to the runbooks of prometheus.runbooks', async () => {
    const rule = (
      await template('--set', 'prometheus.enabled=true,prometheus.runbooks=https://wiki.example.com/r.md')
    ).find(({ kind }) => kind === 'PrometheusRule') as unknown as {
      spec: { groups: { rules: { alert?: string; annotations?: { runbook_url: string } }[] }[] };
    };
    const named = rule.spec.groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);
    assert.ok(named.length >= 20);
    for (const { alert = '', annotations } of named) {
      assert.equal(annotations?.runbook_url, `https://wiki.example.com/r.md#${alert.toLowerCase()}`);
    }
  });

  it('has the version of the operator', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as Record<string, unknown>;
    assert.deepEqual([chart['version'], chart['appVersion']], [version, version]);
  });

  it('refuses a Kubernetes that is too old', async () => {
    const older = template('--kube-version', '1.32.0');
    await assert.rejects(
      older,
      /requires kubeVersion: >=1\.33\.0-0 .* incompatible with Kubernetes v1\.32\.0/,
    );
    await template('--kube-version', '1.33.0');
  });

  it('uses another namespace and another name in every object', async () => {
    const text = await helm.run('template', 'net', CHART, '--namespace', 'net-system');
    assert.doesNotMatch(text, /segmentation-system/);
    const manifests = documents(text);
    for (const { kind, metadata } of manifests) {
      // Policies that the operator binds by name exist once in a cluster, like the CRD.
      if (kind === 'CustomResourceDefinition' || metadata.name.endsWith('.segmentation.dev')) continue;
      assert.match(metadata.name, /^net-segmentation-operator(-|$)/);
      // Events about profiles, which are cluster-scoped, are in the namespace default.
      const own = metadata.name.endsWith('-events') ? 'default' : 'net-system';
      if ('namespace' in metadata) assert.equal(metadata['namespace'], own, metadata.name);
    }
    for (const { kind, subjects, roleRef } of manifests as (Manifest & {
      subjects?: object[];
      roleRef?: { kind: string; name: string };
    })[]) {
      if (subjects === undefined) continue;
      const account = { kind: 'ServiceAccount', name: 'net-segmentation-operator', namespace: 'net-system' };
      assert.deepEqual(subjects, [account], kind);
      assert.ok(byTitle(manifests).has(`${roleRef?.kind} ${roleRef?.name}`), JSON.stringify(roleRef));
    }
    assert.equal(
      text.match(/'system:serviceaccount:net-system:net-segmentation-operator'/g)?.length,
      5,
      'the fences and exceptions of admission are for another account',
    );
    assert.match(
      text,
      /request\.namespace in \['kube-system', 'kube-public', 'kube-node-lease', 'net-system'\]/,
    );
  });

  it('fences the protected namespaces of the configuration', async () => {
    const text = JSON.stringify(await template('--set', 'config.protectedNamespaces={kube-system,billing}'));
    assert.ok(text.includes("request.namespace in ['kube-system', 'billing', 'segmentation-system']"), text);
  });

  it('mounts the configuration, and replaces the pods when it changes', async () => {
    const configured = async (leaseDuration: string) => {
      const set = [`config.leaderElection.leaseDuration=${leaseDuration}`, 'config.maxNodeAddresses=5000'];
      const manifests = await template('--set', set.join(), '--set', 'config.nodeCIDRs={10.0.0.0/8}');
      const { data } = manifests.find(({ kind }) => kind === 'ConfigMap') as unknown as {
        data: { 'operator.yaml': string };
      };
      const problems: string[] = [];
      const configuration = readConfiguration(data['operator.yaml'], 'operator.yaml', problems);
      assert.deepEqual(problems, []);
      const { metadata, spec } = deploymentOf(manifests).spec.template;
      assert.ok(spec.containers[0]?.args.includes('--config=/etc/segmentation-operator/operator.yaml'));
      return { configuration, checksum: metadata.annotations['checksum/config'] };
    };
    const [first, again, second] = [
      await configured('20s'),
      await configured('20s'),
      await configured('30s'),
    ];
    assert.partialDeepStrictEqual(first.configuration, {
      leaderElection: { leaseDuration: 20_000 },
      maxNodeAddresses: 5000,
      nodeCIDRs: ['10.0.0.0/8'],
    });
    assert.match(first.checksum ?? '', /^[0-9a-f]{64}$/);
    assert.equal(again.checksum, first.checksum);
    assert.notEqual(second.checksum, first.checksum);
  });

  it('uses the certificate of metrics.certSecret', async () => {
    const { containers, volumes } = deploymentOf(await template('--set', 'metrics.certSecret=own')).spec
      .template.spec;
    const { args, volumeMounts: [mount, ...others] = [] } = containers[0] ?? {};
    assert.ok(args?.includes(`--metrics-cert-path=${mount?.mountPath}`), args?.join(' '));
    assert.deepEqual(others, []);
    assert.deepEqual(volumes, [{ name: mount?.name, secret: { secretName: 'own' } }]);
  });

  it('mounts the Secret of rollout.prometheusSecret', async () => {
    const { containers, volumes } = deploymentOf(await template('--set', 'rollout.prometheusSecret=own')).spec
      .template.spec;
    assert.deepEqual(containers[0]?.volumeMounts, [
      { name: 'prometheus', mountPath: '/etc/segmentation-operator-prometheus', readOnly: true },
    ]);
    assert.deepEqual(volumes, [{ name: 'prometheus', secret: { secretName: 'own' } }]);
  });

  it('has the policy of config/network-policy/prometheus with config.prometheus', async () => {
    const file = join(root, 'config/network-policy/prometheus/network_policy.yaml');
    const [expected] = documents(readFileSync(file, 'utf8'));
    assert.ok(expected !== undefined);
    const policyOf = async (...values: readonly string[]) =>
      plain(byTitle(await template('--set', values.join())).get(title(expected)));
    const url = 'config.prometheus.url=https://prometheus.monitoring:9090';
    assert.deepEqual(await policyOf(url), plain(expected));
    assert.equal(await policyOf('replicas=1'), undefined);
    assert.equal(await policyOf(url, 'networkPolicy.enabled=false'), undefined);
    assert.partialDeepStrictEqual(await policyOf(url, 'networkPolicy.prometheusPorts={9091}'), {
      spec: { egress: [{ ports: [{ protocol: 'TCP', port: 9091 }] }] },
    });
  });

  it('names the image by image.digest', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const image = ['image.repository=example.com/op', 'image.tag=v9', `image.digest=${digest}`];
    const manifests = await template('--set', image.join());
    assert.equal(
      deploymentOf(manifests).spec.template.spec.containers[0]?.image,
      `example.com/op:v9@${digest}`,
    );
  });

  it('leaves out disabled objects', async () => {
    const off = ['crds', 'fence', 'admission', 'networkPolicy', 'podDisruptionBudget'].map(
      (each) => `${each}.enabled=false`,
    );
    const account = ['serviceAccount.create=false', 'serviceAccount.name=mine'];
    const kinds = (await template('--set', [...off, ...account].join())).map(({ kind }) => kind);
    assert.deepEqual(kinds.sort(), [
      'ClusterRole',
      'ClusterRole',
      'ClusterRole',
      'ClusterRoleBinding',
      'ClusterRoleBinding',
      'Deployment',
      'Role',
      'Role',
      'RoleBinding',
      'RoleBinding',
      'Service',
    ]);
  });

  const REFUSED: readonly (readonly [set: string, says: RegExp])[] = [
    ['replica=3', /at '': additional properties 'replica' not allowed/],
    ['replicas=two', /at '\/replicas': got string, want integer/],
    ['crds.enable=true', /at '\/crds': additional properties 'enable' not allowed/],
    ['image.digest=abc', /at '\/image\/digest': 'abc' does not match pattern '.*sha256/],
    ['image.repository=a:v1@x', /at '\/image\/repository': .* does not match pattern/],
    [
      'networkPolicy.apiServerPorts={https}',
      /at '\/networkPolicy\/apiServerPorts\/0': got string, want integer/,
    ],
    ['serviceAccount.create=false', /serviceAccount\.name must name a ServiceAccount that exists/],
    ['config.kind=OperatorConfiguration', /config\.kind is set by the chart: leave it out/],
    ['config.metrics.bindAddress=:1', /config\.metrics\.bindAddress is set by the chart, as the Service/],
    ['config.leaderElection.enabled=true', /config\.leaderElection\.enabled is set by the chart/],
    ['config.leaderElection.namespace=x', /config\.leaderElection\.namespace is set by the chart/],
    ['config.metrics.certPath=/x', /config\.metrics\.certPath .*: give the Secret as metrics\.certSecret/],
    ['config.logg.level=debug', /at '\/config': additional properties 'logg' not allowed/],
    ['config.log.level=loud', /at '\/config\/log\/level': value must be one of 'debug', 'info'/],
    ['config.concurrency=0', /at '\/config\/concurrency': minimum: got 0, want 1/],
    [
      'prometheus.enabled=true,config.metrics.secure=false',
      /config\.metrics\.secure is false, but the ServiceMonitor .* scrapes by TLS/,
    ],
    ['prometheus.runbooks=docs', /at '\/prometheus\/runbooks': 'docs' does not match pattern/],
  ];
  for (const [set, says] of REFUSED) {
    it(`refuses ${set}, and says why`, () => assert.rejects(template('--set', set), says));
  }
});
