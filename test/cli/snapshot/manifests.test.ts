/** Manifests: files, directories, standard input, Lists, and the errors for those that can't be read. */
import assert from 'node:assert/strict';
import { parse, parseAllDocuments } from 'yaml';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { cli, directoryOf } from '../cli.ts';

const SHOP = 'config/samples/shop';
const PROFILE = `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: all}
spec: {namespaceSelector: {}}
`;
const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}}
`;

async function names(line: string, stdin = ''): Promise<string[]> {
  const { code, stdout, stderr } = await cli(`render -o json ${line}`, { stdin });
  assert.equal(code, 0, stderr);
  const { items } = JSON.parse(stdout) as { items: NetworkPolicy[] };
  return items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

describe('manifests', () => {
  const directory = directoryOf({
    'profile.yaml': PROFILE,
    'deep/er/web.yml': WEB,
    'notes.txt': 'no manifest',
    'empty.yaml': '# nothing\n---\n---\n',
    'namespace.json': JSON.stringify({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { team: 'a' } },
    }),
  });
  const expected = ['shop/all.default-deny', 'shop/all.egress'];

  it('are read from a directory and its subdirectories', async () => {
    assert.deepEqual(await names(`-f ${directory}`), expected);
  });

  it('are read from files', async () => {
    assert.deepEqual(await names(`-f ${directory}/profile.yaml -f ${directory}/namespace.json`), expected);
  });

  it('are read from standard input, several documents in one text', async () => {
    assert.deepEqual(await names('-f -', `${PROFILE}---${WEB}`), expected);
  });

  it('are read from a List, as kubectl get prints it', async () => {
    const items = [parse(PROFILE), parse(WEB)] as unknown[];
    assert.deepEqual(
      await names('-f -', JSON.stringify({ apiVersion: 'v1', kind: 'List', items })),
      expected,
    );
  });

  it('are read from a list of one kind, whose items have no kind, as the API server returns it', async () => {
    const { spec, metadata } = parse(PROFILE) as { spec: object; metadata: object };
    const list = {
      apiVersion: 'segmentation.dev/v1alpha1',
      kind: 'SegmentationProfileList',
      items: [{ metadata, spec }],
    };
    assert.deepEqual(await names('-f -', `${JSON.stringify(list)}`.concat(`\n---${WEB}`)), expected);
  });

  it('are rendered as documents that kubectl apply reads', async () => {
    const { stdout } = await cli(`render -f ${directory}`);
    const documents = parseAllDocuments(stdout).map((each) => each.toJS() as NetworkPolicy);
    assert.deepEqual(
      documents.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
      expected,
    );
    assert.ok(
      documents.every(
        ({ apiVersion, kind }) => apiVersion === 'networking.k8s.io/v1' && kind === 'NetworkPolicy',
      ),
    );
  });

  it('are rendered to the same policies as YAML and as JSON', async () => {
    const json = await cli(`render -f ${SHOP} -o json`);
    const yaml = await cli(`render -f ${SHOP}`);
    const { items } = JSON.parse(json.stdout) as { items: unknown[] };
    assert.ok(items.length > 10);
    assert.deepEqual(
      parseAllDocuments(yaml.stdout).map((each) => each.toJS() as unknown),
      items,
    );
  });

  it('without a namespace are taken to be in default, or in the namespace of -n, with a note', async () => {
    const stdin = `${PROFILE}---${WEB.replace(', namespace: shop', '')}`;
    const first = await cli('render -o table -f -', { stdin });
    assert.match(first.stdout, /^default +all\.default-deny/m);
    assert.match(
      first.stderr,
      /note: objects without a namespace are taken to be in default \(-n NAME for another\)/,
    );
    const other = await cli('render -o table -f - -n mine', { stdin });
    assert.match(other.stdout, /^mine +all\.default-deny/m);
    assert.match(
      other.stderr,
      /note: there is no manifest of 1 namespace \(mine\): only the name is known, no other label/,
    );
  });

  const REFUSED: readonly [what: string, text: string, answer: RegExp][] = [
    [
      'that are no YAML',
      'a: [',
      /standard input:2: not valid YAML: Flow sequence in block collection must be/,
    ],
    [
      'that are templates',
      'metadata:\n  {{- with .Values.labels }}\n  labels: a\n  {{- end }}\n',
      /standard input:2: not valid YAML.*\(a Helm template\? Pipe what `helm template` prints instead\)/,
    ],
    [
      'without a name',
      'apiVersion: v1\nkind: Pod\nmetadata: {}\n',
      /standard input:1: this Pod is not valid:\n {2}metadata\.name: is required \(line 3\)/,
    ],
    [
      'of nothing that matters',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a, image: a}\n',
      /-: no object of a kind that matters here/,
    ],
    [
      'of a kind that is misspelt',
      PROFILE.replace('SegmentationProfile', 'SegmentationProfil'),
      /standard input:2: segmentation\.dev\/v1alpha1 has no kind SegmentationProfil \(did you mean "SegmentationProfile"\?\)/,
    ],
    [
      'of another version',
      PROFILE.replace('v1alpha1', 'v2'),
      /apiVersion segmentation\.dev\/v2 is not known; write segmentation\.dev\/v1alpha1/,
    ],
    [
      'of a profile that is not valid',
      `${WEB}---${PROFILE.replace('{}', '{}, mode: audit')}`,
      /standard input:7: SegmentationProfile all is not valid:\n {2}spec\.mode: unsupported value "audit": supported values: "Enforce", "Audit"/,
    ],
  ];
  for (const [what, stdin, answer] of REFUSED) {
    it(`${what} are refused with exit code 2`, async () => {
      const { code, stderr } = await cli('render -f -', { stdin });
      assert.equal(code, 2);
      assert.match(stderr, answer);
    });
  }

  it('at a path that does not exist, or in a directory without manifests, are refused', async () => {
    assert.match((await cli('render -f nowhere')).stderr, /nowhere: no such file or directory/);
    assert.match(
      (await cli('render -f docs/decisions')).stderr,
      /docs\/decisions: no \.yaml, \.yml or \.json file in it or below/,
    );
  });

  it('with a peer that they do not resolve are rendered without its rule, with exit code 1', async () => {
    const stdin = PROFILE.replace(
      '{}}',
      '{}, egress: [{name: to-api, to: [{service: {namespace: a, name: b}}]}]}',
    ).concat('---', WEB);
    const { code, stderr, stdout } = await cli('render -o name -f -', { stdin });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /warning: profile all, rule to-api, in shop: service a\/b is not resolved: Service a\/b does not exist/,
    );
    assert.equal(stdout.split('\n').length, 3);
  });

  const POLICY =
    'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\n';
  const PODS = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, image: a, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: a, image: a}]}
---
`;

  /** Policies with null, and what the API server makes of them for a flow from shop/api to shop/web. */
  const NULLS: readonly [what: string, spec: string, code: number][] = [
    ['from: null lets everyone in', '{podSelector: {}, ingress: [{from: }]}', 0],
    ['ingress: [null] is a rule for everyone', '{podSelector: {}, ingress: [null]}', 0],
    ['ingress: null is no rule', '{podSelector: {}, ingress: }', 1],
    ['ports: null is every port', '{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: }]}', 0],
    ['ports: [null] is every TCP port', '{podSelector: {}, ingress: [{ports: [null]}]}', 0],
    ['podSelector: null selects every pod', '{podSelector: , ingress: []}', 1],
    ['policyTypes: null is Ingress', '{podSelector: {}, policyTypes: }', 1],
    ['spec: null selects every pod', '', 1],
    ['matchLabels: null selects every pod', '{podSelector: {matchLabels: , matchExpressions: }}', 1],
    ['a label of null is the empty value', '{podSelector: {matchLabels: {app: }}}', 0],
    [
      'except: null excludes nothing',
      '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: }}]}]}',
      1,
    ],
    [
      'a peer beside a null is that peer',
      '{podSelector: {}, ingress: [{from: [{podSelector: {}, namespaceSelector: , ipBlock: }]}]}',
      0,
    ],
  ];
  for (const [what, spec, expected] of NULLS) {
    it(`are read as the API server reads them: ${what}`, async () => {
      const { code, stderr } = await cli('explain shop/api shop/web -p 80 -f -', {
        stdin: `${PODS}${POLICY}spec: ${spec}\n`,
      });
      assert.equal(code, expected, stderr);
    });
  }

  it('of every kind may have null in every field', async () => {
    const kinds = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: , annotations: }, spec: , status: }
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: , ownerReferences: }, spec: {containers: [{name: a, image: a, ports: }], initContainers: , nodeName: , hostNetwork: }, status: }
---
{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop, annotations: }, spec: {selector: , ports: [{port: 80, name: , targetPort: , protocol: }], clusterIPs: , externalIPs: , type: }}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, namespace: shop, labels: {kubernetes.io/service-name: b}}, addressType: IPv4, endpoints: , ports: }
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: shop}, spec: {replicas: , selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}, annotations: }, spec: {containers: [{name: a, image: a}], volumes: }}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: a, namespace: shop}, spec: {schedule: "0 * * * *", jobTemplate: {metadata: , spec: {template: {metadata: , spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}}
---
{apiVersion: v1, kind: Node, metadata: {name: a}, spec: , status: }
---
{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: a}, spec: , status: }
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: a}, webhooks: }
---
{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.a.b}, spec: , status: }
---
{apiVersion: segmentation.dev/v1alpha1, kind: SegmentationProfile, metadata: {name: p, labels: }, spec: {namespaceSelector: {matchLabels: , matchExpressions: }, ingress: , mode: , baseline: }, status: }
---
{apiVersion: v1, kind: List, items: }
`;
    for (const command of ['status', 'matrix', 'render -o name', 'explain shop/a shop/svc/a']) {
      const { code, stderr } = await cli(`${command} -f -`, { stdin: kinds });
      assert.ok(code < 2 || /neither a selector nor EndpointSlices/.test(stderr), `${command}: ${stderr}`);
    }
  });

  const INVALID: readonly [what: string, text: string, answer: RegExp][] = [
    [
      'a port that is a number in quotes',
      '{podSelector: {}, ingress: [{ports: [{port: "80"}]}]}',
      /spec\.ingress\[0\]\.ports\[0\]\.port: "80" is a text without a letter: write 80 without quotes/,
    ],
    [
      'a protocol in small letters',
      '{podSelector: {}, ingress: [{ports: [{protocol: tcp}]}]}',
      /protocol: "tcp" is not supported: write SCTP, TCP, UDP \(did you mean "TCP"\?\)/,
    ],
    [
      'a list in place of labels',
      '{podSelector: {matchLabels: []}}',
      /matchLabels: must be a mapping, not a list: write KEY: VALUE, or \{\} for none/,
    ],
    [
      'a range with bits behind its prefix',
      '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]}',
      /cidr: "10\.0\.0\.1\/8" has bits behind its prefix: write 10\.0\.0\.0\/8/,
    ],
    [
      'a text in place of a list',
      '{podSelector: {matchExpressions: [{key: app, operator: In, values: cli}]}}',
      /values: must be a list, not the text "cli": write \["cli"\]/,
    ],
    [
      'an unknown field',
      '{podSelectr: {}}',
      /spec\.podSelectr: unknown field \(did you mean "podSelector"\?\) \(line 4\)/,
    ],
    [
      'a boolean as a label',
      '{podSelector: {matchLabels: {seg: on}}}',
      /matchLabels\.seg: must be a text, not true: put it in quotes, "true"/,
    ],
    [
      'a number as a label',
      '{podSelector: {matchLabels: {v: 0443}}}',
      /matchLabels\.v: must be a text, not 291: put it in quotes, "291"/,
    ],
    [
      'a peer that selects nobody',
      '{podSelector: {}, ingress: [{from: [null]}]}',
      /spec\.ingress\[0\]\.from\[0\]: selects nobody/,
    ],
    ['a text in place of spec', 'x', /spec: must be a mapping, not the text "x"/],
  ];
  for (const [what, spec, answer] of INVALID) {
    it(`with ${what} are refused with exit code 2`, async () => {
      const { code, stderr } = await cli('explain shop/api shop/web -p 80 -f -', {
        stdin: `${POLICY}spec: ${spec}\n`,
      });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^error: standard input:1: NetworkPolicy shop\/web is not valid:/);
      assert.match(stderr, answer);
    });
  }

  const NOT_SERVED: readonly [what: string, head: string, answer: RegExp][] = [
    [
      'no apiVersion',
      'kind: NetworkPolicy',
      /this NetworkPolicy has no apiVersion; write networking\.k8s\.io\/v1/,
    ],
    [
      'the wrong group',
      'apiVersion: v1\nkind: NetworkPolicy',
      /v1 has no kind NetworkPolicy; write apiVersion: networking\.k8s\.io\/v1/,
    ],
    [
      'an old version',
      'apiVersion: extensions/v1beta1\nkind: Deployment',
      /extensions\/v1beta1 has no kind Deployment; write apiVersion: apps\/v1/,
    ],
    [
      'an unknown version',
      'apiVersion: networking.k8s.io/v2\nkind: NetworkPolicy',
      /apiVersion networking\.k8s\.io\/v2 is not known; write networking\.k8s\.io\/v1/,
    ],
    [
      'a misspelt kind',
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicys',
      /has no kind NetworkPolicys \(did you mean "NetworkPolicy"\?\)/,
    ],
  ];
  for (const [what, head, answer] of NOT_SERVED) {
    it(`with ${what} are refused with exit code 2`, async () => {
      const { code, stderr } = await cli('status -f -', {
        stdin: `${PROFILE}---\n${head}\nmetadata: {name: a}\n`,
      });
      assert.equal(code, 2, stderr);
      assert.match(stderr, answer);
    });
  }

  it('of kinds that other groups have under the same name are ignored', async () => {
    const other =
      'apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {order: 1}\n';
    assert.deepEqual(await names('-f -', `${PROFILE}---${WEB}---\n${other}`), expected);
  });

  it('are refused with every violation of every object, each with its line', async () => {
    const text = `${POLICY}spec:\n  podSelector: []\n  ingress:\n  - from: x\n---\n${POLICY.replace('web', 'api')}spec: {egres: []}\n`;
    const { stderr } = await cli('status -f -', { stdin: text });
    assert.equal(
      stderr,
      [
        'error: standard input:1: NetworkPolicy shop/web is not valid:',
        '  spec.podSelector: must be a mapping, not a list: write FIELD: VALUE, or {} for none (line 5)',
        '  spec.ingress[0].from: must be a list, not the text "x": write ["x"] (line 7)',
        'standard input:9: NetworkPolicy shop/api is not valid:',
        '  spec.egres: unknown field (did you mean "egress"?) (line 12)',
        '',
      ].join('\n'),
    );
  });

  it('with a key twice are read with the last one, and a warning', async () => {
    const { stderr } = await cli('status -f -', { stdin: PROFILE.replace('kind:', 'kind: Pod\nkind:') });
    assert.match(
      stderr,
      /warning: standard input:4: the key kind is there twice: the last one counts, as for kubectl/,
    );
  });

  it('of a List within a List are read', async () => {
    const item = (text: string) => text.trim().replaceAll('\n', '\n    ');
    const list = `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - ${item(PROFILE)}\n- ${item(WEB).replaceAll('\n    ', '\n  ')}\n`;
    assert.deepEqual(await names('-f -', list), expected);
  });

  it('from a cluster of another version are read with warnings', async () => {
    const stored = `${POLICY.replace('name: web', 'name: web, uid: u')}spec: {podSelector: {}, newField: 1, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]}\n`;
    const { code, stderr } = await cli('status -f -', { stdin: stored });
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /warning: standard input:1: NetworkPolicy shop\/web is taken as it is, as a cluster has stored it \(it has a uid\): spec\.newField: unknown field/,
    );
    assert.match(stderr, /"10\.0\.0\.1\/8" has bits behind its prefix/);
    const broken = await cli('status -f -', { stdin: stored.replace('newField: 1', 'egress: x') });
    assert.equal(broken.code, 2);
  });

  it('with generateName are read, each as an object of its own', async () => {
    const job =
      'apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: run-, namespace: shop}\nspec: {template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}\n';
    const { stdout } = await cli('status -o json -f -', { stdin: `${job}---\n${job}` });
    assert.match(stdout, /"pods": 2/);
  });

  it('of a profile with generateName are read', async () => {
    const { code, stderr } = await cli('status -f -', {
      stdin: PROFILE.replace('{name: all}', '{generateName: all-}'),
    });
    assert.equal(code, 0, stderr);
  });

  it('of a kind without namespaces may name one, which is ignored', async () => {
    const stdin = `${PROFILE.replace('{name: all}', '{name: all, namespace: x}')}---${WEB}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, namespace: x}\n`;
    assert.deepEqual(await names('-f -', stdin), expected);
  });

  it('of every kind that only audit reads may have null in every field', async () => {
    const kinds = `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, namespace: shop, annotations: }, automountServiceAccountToken: , secrets: , imagePullSecrets: }
---
{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: shop}, data: , type: , stringData: }
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: "system:a", namespace: shop}, rules: }
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a, labels: }, rules: [{verbs: ["*"], apiGroups: , resources: , resourceNames: }], aggregationRule: }
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a, namespace: shop}, subjects: , roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: a}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a, namespace: shop}, spec: {tls: , rules: [{host: , http: }], defaultBackend: }}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: b, namespace: shop}, spec: }
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: a, namespace: shop, labels: }, spec: {gatewayClassName: a, listeners: [{name: a, port: 80, protocol: HTTP, tls: , allowedRoutes: }]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a, namespace: shop}, spec: {parentRefs: , rules: [{backendRefs: , matches: }]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: b, namespace: shop}, spec: }
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: }, spec: {securityContext: , volumes: , containers: [{name: a, image: a, securityContext: {capabilities: , runAsUser: }, resources: , env: [{name: A, valueFrom: }], envFrom: , livenessProbe: , volumeMounts: }], tolerations: , imagePullSecrets: }}
---
{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop}, spec: {ports: [{port: 80}], externalIPs: , loadBalancerSourceRanges: , selector: }, status: {loadBalancer: }}
`;
    const { code, stderr } = await cli('audit -f - --fail-on low', { stdin: kinds });
    assert.equal(code, 1, stderr);
  });
});
