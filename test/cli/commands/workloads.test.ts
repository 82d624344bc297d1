/** `workloads`: objects of manifests that spec.workloads of profiles would refuse. */
import assert from 'node:assert/strict';
import policies from '../../../src/cli/generated/workload-policies.json' with { type: 'json' };
import { cli, directoryOf } from '../cli.ts';

const profile = (spec: string) => `apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: p}
spec:
  namespaceSelector: {matchLabels: {tenant: a}}
${spec}
`;
const OBJECTS = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tenant: a}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      containers: [{name: c, image: nginx}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "0 1 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: c, image: "registry.example.com/x:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: other}
spec: {hostNetwork: true, containers: [{name: c, image: nginx}]}
`;

/** Objects of a tenant: all break limits of the sample, but for the Pod and the Ingress. */
const TENANT = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {segmentation.dev/restricted-tenant: a}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      containers: [{name: c, image: nginx, ports: [{containerPort: 80, hostPort: 80}]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "0 1 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: c, image: "registry.example.com/x:1", resources: {limits: {memory: 9Gi}}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: shop}
spec:
  serviceAccountName: good
  automountServiceAccountToken: false
  containers:
    - name: c
      image: registry.example.com/x@sha256:${'a'.repeat(64)}
      resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}
`;

describe('kubectl segmentation workloads', () => {
  const directory = directoryOf({
    'objects.yaml': OBJECTS,
    'images.yaml': profile('  workloads: {images: {registries: [registry.example.com]}}'),
    'warn.yaml': profile('  workloads: {images: {action: Warn, registries: [registry.example.com]}}'),
    'levels.yaml': profile('  workloads: {podSecurity: {enforce: baseline, warn: restricted}}'),
    'audit.yaml': profile('  mode: Audit\n  workloads: {podSecurity: {enforce: baseline}}'),
    'none.yaml': profile(''),
  });
  const run = (name: string, ...flags: string[]) =>
    cli(['workloads', '-f', `${directory}/objects.yaml`, '-f', `${directory}/${name}.yaml`, ...flags]);

  it('refuses a workload whose pods the API server would refuse, in the words of the policy', async () => {
    const { code, stdout } = await run('images', '-o', 'wide');
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^shop\/deployment\/web +refused +workload-images\.segmentation\.dev +SegmentationProfile p, for pods of this template: image nginx is from none of its workloads\.images\.registries/m,
    );
    assert.doesNotMatch(stdout, /nightly|elsewhere/);
    assert.match(stdout, /^2 objects judged: 1 refused, 0 warned of, 0 recorded in the audit log$/m);
  });

  it('only warns of what a limit under Warn does not admit', async () => {
    const { code, stdout } = await run('warn');
    assert.equal(code, 0);
    assert.match(stdout, /^shop\/deployment\/web +warned +SegmentationProfile p/m);
  });

  it('judges by each Pod Security level, and tells a violation once', async () => {
    const { code, stdout } = await run('levels');
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^shop\/deployment\/web +refused +Pod Security baseline: spec\.template\.spec\.hostNetwork: /m,
    );
    assert.equal(stdout.match(/hostNetwork/g)?.length, 1);
    assert.match(
      stdout,
      /^shop\/cronjob\/nightly +warned +Pod Security restricted: spec\.jobTemplate\.spec\.template\.spec\.containers\[c\]/m,
    );
    assert.match(stdout, /: 1 refused, 2 warned of, 0 recorded/);
  });

  it('takes a profile under Audit for enforced with --as-enforced', async () => {
    assert.equal((await run('audit')).code, 0);
    assert.equal((await run('audit', '--as-enforced')).code, 1);
  });

  it('refuses nothing for a profile without limits', async () => {
    const { code, stdout } = await run('none');
    assert.deepEqual(
      [code, stdout.trim()],
      [0, '2 objects judged: 0 refused, 0 warned of, 0 recorded in the audit log'],
    );
  });

  it('tells the place of each object to programs', async () => {
    const { stdout } = await run('images', '-o', 'json');
    const { judgements } = JSON.parse(stdout) as { judgements: object[] };
    assert.partialDeepStrictEqual(judgements, [
      {
        object: { kind: 'Deployment', namespace: 'shop', name: 'web' },
        effect: 'refused',
        constraint: 'workload-images.segmentation.dev',
        place: { file: `${directory}/objects.yaml`, line: 5 },
      },
    ]);
    assert.equal((await run('images', '-o', 'name')).stdout, 'shop/deployment/web\n');
  });

  it('judges routes of the Gateway API in each version once, and no objects that are never limited', async () => {
    const route = (kind: string, version: string) => `---
apiVersion: gateway.networking.k8s.io/${version}
kind: ${kind}
metadata: {name: ${kind.toLowerCase()}-${version}, namespace: shop}
spec: {hostnames: [evil.example.com]}
`;
    const stdin = [
      profile('  workloads: {exposure: {hosts: [shop.example.com]}}'),
      '---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tenant: a}}\n',
      '---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: shop}\n',
      route('HTTPRoute', 'v1'),
      route('GRPCRoute', 'v1'),
      ...['v1', 'v1alpha2', 'v1alpha3'].map((version) => route('TLSRoute', version)),
    ].join('');
    const { stdout } = await cli('workloads -f -', { stdin });
    assert.match(
      stdout,
      /^shop\/grpcroute\/grpcroute-v1 +refused +SegmentationProfile p: the host evil\.example\.com/m,
    );
    assert.match(stdout, /^5 objects judged: 5 refused/m);
  });

  it('judges a Pod with the account, the token and the ports of the node that the API server fills in', async () => {
    const pod = (name: string, spec: string) =>
      `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: shop}\nspec: {${spec}}\n`;
    const container = 'name: c, image: a, ports: [{containerPort: 80}]';
    const mount = 'volumeMounts: [{name: t, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]';
    const stdin = [
      profile('  workloads: {serviceAccounts: {automountToken: Deny}, exposure: {hostPort: Deny}}'),
      '---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tenant: a}}\n',
      pod('silent', `containers: [{${container}}]`),
      pod('without', `automountServiceAccountToken: false, containers: [{${container}}]`),
      pod('own', `containers: [{${container}, ${mount}}], volumes: [{name: t, emptyDir: {}}]`),
      pod('on-node', `automountServiceAccountToken: false, hostNetwork: true, containers: [{${container}}]`),
    ].join('');
    const { stdout } = await cli('workloads -f -', { stdin });
    assert.match(stdout, /^shop\/pod\/silent +refused +SegmentationProfile p: the pod gets a token/m);
    assert.match(
      stdout,
      /^shop\/pod\/on-node +refused +SegmentationProfile p: container c has the host port 80/m,
    );
    assert.match(stdout, /^4 objects judged: 2 refused/m);
  });

  it('reads the deprecated field serviceAccount of Pods and templates as the API server does', async () => {
    const spec = 'serviceAccount: web, containers: [{name: c, image: a}]';
    const template = `selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {${spec}}}`;
    const stdin = [
      profile('  workloads: {serviceAccounts: {defaultAccount: Deny, allowed: [web]}}'),
      '---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tenant: a}}\n',
      `---\napiVersion: v1\nkind: Pod\nmetadata: {name: old, namespace: shop}\nspec: {${spec}}\n`,
      `---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: old, namespace: shop}\nspec: {${template}}\n`,
    ].join('');
    const { code, stdout } = await cli('workloads -f -', { stdin });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^2 objects judged/m);
  });

  it('reports each judged object as a test in JUnit XML, which fails if the object is refused', async () => {
    const { code, stdout } = await run('images', '-o', 'junit');
    assert.equal(code, 1);
    assert.match(
      stdout,
      /<testsuites name="kubectl segmentation workloads" tests="2" failures="1" errors="0">/,
    );
    assert.match(stdout, /<testsuite name="shop" tests="2" failures="1" errors="0">/);
    assert.match(stdout, /<testcase name="shop\/cronjob\/nightly" classname="workloads\.CronJob"\/>/);
    assert.match(
      stdout,
      /<testcase name="shop\/deployment\/web" classname="workloads\.Deployment" file="[^"]*objects\.yaml" line="5">\n +<failure message="SegmentationProfile p, for pods of this template: image nginx/,
    );
    const warned = await run('warn', '-o', 'junit');
    assert.match(warned.stdout, /failures="0"/);
    assert.match(warned.stdout, /<system-out>warned: SegmentationProfile p/);
  });

  it('reports refusals as errors and warnings as warnings in SARIF, with their places', async () => {
    const { code, stdout } = await run('levels', '-o', 'sarif');
    assert.equal(code, 1);
    interface Log {
      runs: { tool: { driver: { rules: { id: string }[] } }; results: { ruleId: string; level: string }[] }[];
    }
    const [{ tool, results } = assert.fail()] = (JSON.parse(stdout) as Log).runs;
    const rules = new Set(tool.driver.rules.map(({ id }) => id));
    assert.deepEqual(
      results.filter(({ ruleId }) => !rules.has(ruleId)),
      [],
    );
    const levels = new Set(results.map(({ ruleId, level }) => `${ruleId} ${level}`));
    assert.deepEqual([...levels].sort(), [
      'pod-security.kubernetes.io/enforce error',
      'pod-security.kubernetes.io/warn warning',
    ]);
    assert.partialDeepStrictEqual(results[0], {
      locations: [{ logicalLocations: [{ name: 'web', fullyQualifiedName: 'shop/deployment/web' }] }],
    });
    assert.match(stdout, /"uri": "[^"]*objects\.yaml"/);
    assert.match(stdout, /"startLine": 5/);
  });

  it('judges objects of several kinds by every group of a profile', async () => {
    const { code, stdout } = await cli('workloads -f - -f config/samples/restricted-tenant.yaml -o json', {
      stdin: TENANT,
    });
    assert.equal(code, 1);
    const { judgements } = JSON.parse(stdout) as {
      judgements: { object: { kind: string }; constraint: string }[];
    };
    assert.deepEqual([...new Set(judgements.map(({ object }) => object.kind))].sort(), [
      'CronJob',
      'Deployment',
      'Service',
    ]);
    const constraints = new Set(judgements.map(({ constraint }) => constraint));
    for (const { name } of policies) assert.ok(constraints.has(name), `${name}: ${[...constraints].join()}`);
  });

  it('asks for manifests, as it judges nothing else', async () => {
    const { code, stderr } = await cli('workloads');
    assert.equal(code, 2);
    assert.match(stderr, /name the manifests to judge with -f or -k/);
  });
});
