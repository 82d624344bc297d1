/** `explain`: verdicts with their reasons, the ways to name an end, and rules to paste. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse, parseAllDocuments, stringify } from 'yaml';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../../src/api/profile.ts';
import { cli, directoryOf } from '../../cli.ts';

const SHOP = '-f config/samples/shop';
const PODS = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web-deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: a, image: a, ports: [{containerPort: 80, name: http}, {containerPort: 53, protocol: UDP}]}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {hostNetwork: true, nodeName: node-1, containers: [{name: a, image: a}]}
status: {podIP: 192.168.0.1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {selector: {matchLabels: {app: api}}, template: {metadata: {labels: {app: api}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: data}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a, image: a, ports: [{containerPort: 5432}]}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup, namespace: data}
spec: {schedule: "0 * * * *", jobTemplate: {spec: {template: {metadata: {labels: {app: backup}}, spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: shop}
spec: {clusterIP: 10.96.0.9, externalIPs: [198.51.100.9], selector: {app: web}, ports: [{name: public, port: 8000, targetPort: http}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.9, ipMode: VIP}, {hostname: lb.example.com}]}}
---
apiVersion: v1
kind: Service
metadata: {name: proxied, namespace: shop}
spec: {type: LoadBalancer, clusterIP: 10.96.0.10, selector: {app: web}, ports: [{port: 8000, targetPort: http}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.10, ipMode: Proxy}]}}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: lonely, namespace: shop}
spec: {selector: {app: none}, ports: [{port: 1}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: empty}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
`;

const CLOSED = `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: closed}
spec: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: data}}}
---
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: also-closed}
spec: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}
`;

describe('kubectl segmentation explain', () => {
  const directory = directoryOf({ 'pods.yaml': PODS, 'closed.yaml': CLOSED });
  const pods = `-f ${directory}/pods.yaml`;

  const ANSWERS: readonly [line: string, code: number, ...lines: RegExp[]][] = [
    [
      `shop-checkout/checkout shop-payments/svc/payments ${SHOP}`,
      0,
      /^ALLOWED {2}shop-checkout\/deploy\/checkout → shop-payments\/deploy\/payments {2}TCP 8443 \(main\)$/m,
      /✓ Egress {3}allowed by connection checkout-to-payments of profile shop \(shop\.egress\.checkout-to-payments\): Orders are paid\.$/m,
      /✓ Ingress {2}allowed by connection checkout-to-payments of profile shop \(shop\.ingress\.checkout-to-payments\): Orders are paid\.$/m,
    ],
    [
      `cart shop-payments/payments -n shop-checkout ${SHOP}`,
      1,
      /^DENIED {2}shop-checkout\/deploy\/cart/m,
      /✗ Egress {3}denied: profile shop limits what it reaches, and no rule allows this$/m,
      /close: connection checkout-to-payments of profile shop \(.*\) is for pods app=checkout only$/m,
      /^To allow it, add this to the spec of SegmentationProfile shop:$/m,
    ],
    [
      `shop/api shop/web -p 80 ${pods}`,
      0,
      /allowed by rule 1 of NetworkPolicy shop\/web-deny \(not the operator's\)/,
    ],
    [
      `shop/api shop/web -p 81 ${pods}`,
      1,
      /denied: NetworkPolicy shop\/web-deny limits what reaches it/,
      /web-deny \(not the operator's\) allows it on TCP 80 only/,
      /^ {2}kind: NetworkPolicy$/m,
    ],
    [`shop/api shop/web ${pods}`, 1, /^DENIED .*UDP 53$/m, /^ALLOWED .*TCP 80 \(http\)$/m],
    [
      `shop/api shop/svc/front ${pods}`,
      0,
      /^ALLOWED .*TCP 80 \(http\)$/m,
      /note: Service shop\/front leads to other ports of its pods; policies see those/,
    ],
    [`shop/api shop/front --port public ${pods}`, 0, /^ALLOWED .*TCP 80/m],
    [`shop/api shop/front --port 8000 ${pods}`, 0, /^ALLOWED .*TCP 80/m],
    [
      `shop/api 10.96.0.9 ${pods}`,
      0,
      /note: 10\.96\.0\.9 is Service shop\/front: policies see the pods behind it/,
    ],
    [
      `shop/api 203.0.113.9 ${pods}`,
      0,
      /^ALLOWED {2}shop\/deploy\/api → shop\/pod\/web {2}TCP 80/m,
      /note: 203\.0\.113\.9 is an external address of Service shop\/front: policies see the pods behind it/,
    ],
    [
      `198.51.100.7 198.51.100.9 ${pods}`,
      1,
      /^DENIED {2}198\.51\.100\.7 → shop\/pod\/web/m,
      /note: 198\.51\.100\.9 is an external address of Service shop\/front/,
    ],
    [
      `shop/api 203.0.113.10 ${pods}`,
      0,
      /note: 203\.0\.113\.10 is an external address of Service shop\/proxied: policies see the pods behind it/,
      /note: .*traffic to it leaves the cluster first, so egress policies of the source see 203\.0\.113\.10/,
    ],
    [`shop/api 10.0.0.1 -p http ${pods}`, 0, /note: 10\.0\.0\.1 is the address of pod shop\/web/],
    [
      `shop/pod/agent shop/web -p 9 ${pods}`,
      0,
      /Egress {3}not limited: shop\/pod\/agent is on the host network/,
      /Ingress {2}allowed: a pod's own node always reaches it/,
    ],
    [
      `node/node-1 shop/web -p 9 ${pods}`,
      0,
      /Egress {3}not limited: node\/node-1 is no pod/,
      /a pod's own node always reaches it/,
    ],
    [`192.168.0.1 shop/web -p 9 ${pods}`, 0, /note: 192\.168\.0\.1 is the address of node node-1/],
    [
      `shop/web shop/agent ${pods}`,
      0,
      /Ingress {2}not limited: shop\/pod\/agent is on the host network/,
      /  all ports$/m,
    ],
    [
      `data/sts/db data/cj/backup ${pods}`,
      0,
      /not limited: no policy isolates the egress of data\/statefulset\/db|data\/sts\/db/,
    ],
    [`shop/api shop/api ${pods}`, 0, /^ALLOWED {2}shop\/deploy\/api → shop\/deploy\/api/m],
    [
      `203.0.113.7 shop/web -p 80 ${pods}`,
      1,
      /cidr: 203\.0\.113\.7\/32/,
      /note: traffic from outside may arrive with the address of a load balancer/,
    ],
    [`2001:db8::7 shop/web -p 80 ${pods}`, 1, /cidr: 2001:db8::7\/128/],
    [
      `ns/shop-checkout ns/shop-payments ${SHOP}`,
      1,
      /^ALLOWED {2}shop-checkout\/deploy\/checkout → shop-payments\/deploy\/payments/m,
      /^ {4}- name: checkout-to-ledger$[^]*^ {4}- name: cart-to-payments$[^]*^ {4}- name: cart-to-ledger$/m,
    ],
    [`ns/shop-payments ns/shop-checkout ${SHOP}`, 1, /^ {4}- name: ledger-to-cart$/m],
    [
      `ns/shop ns/data --port 80 ${pods} -f ${directory}/closed.yaml`,
      1,
      /note: 10 connections or policies would have to be added; name two workloads to see theirs/,
    ],
    [`shop/api data/db -o wide ${pods}`, 0, /TCP 5432/],
    [`shop/api shop/web -p 80 -o wide ${pods}`, 0, /# NetworkPolicy shop\/web-deny\nspec:/],
    [`shop/api shop/web -p 80 -o name ${pods}`, 0, /^shop\/web-deny$/m],
  ];
  for (const [line, expected, ...expectations] of ANSWERS) {
    it(`answers "${line.replace(/ -f \S+/, '')}"`, async () => {
      const { code, stdout, stderr } = await cli(`explain ${line}`);
      for (const each of expectations) assert.match(stdout + stderr, each);
      assert.equal(code, expected, stdout + stderr);
    });
  }

  const REFUSED: readonly [line: string, answer: RegExp][] = [
    ['shop/apy shop/web', /no workload, pod or Service "apy" in namespace shop \(did you mean "api"\?\)/],
    ['api shop/web', /no workload "api" in namespace default; there is shop\/deploy\/api/],
    ['shoq/x shop/web', /no namespace "shoq" in the manifests \(did you mean "shop"\?\)/],
    [
      'shop/deploi/api shop/web',
      /"shop\/deploi\/api": deploi is no kind that has pods: write pod, deploy, sts, ds, job, cj or svc/,
    ],
    ['shop/svc/web shop/web', /no Service "web" in namespace shop; there is alias, front, lonely, proxied/],
    ['shop/api shop/alias', /Service shop\/alias is a DNS alias \(ExternalName\): policies see addresses/],
    ['shop/api shop/lonely', /Service shop\/lonely has no pods: its selector matches none in shop/],
    ['shop/api ns/empty', /namespace empty has no pods/],
    ['shop/api node/node-2', /no Node "node-2" in the manifests \(did you mean "node-1"\?\)/],
    ['shop/api 10.0.0.0/8', /10\.0\.0\.0\/8 is a range: name one address of it/],
    ['shop//api shop/web', /"shop\/\/api" names no end of a flow: write NAME, KIND\/NAME/],
    ['10.1.1.1 10.1.1.2', /neither end is a pod of this cluster/],
    ['shop/web shop/web', /the two ends are one and the same pod/],
    ['shop/api', /explain needs FROM TO, and was given only shop\/api/],
    ['shop/api shop/web -p 70000', /--port 70000: ports are from 1 to 65535/],
    [
      'shop/api shop/web -p 80/TCQ',
      /--port 80\/TCQ: write a port or its name, such as 8443, 53\/UDP or http/,
    ],
    [
      'shop/api shop/web -p http/UDP',
      /--port http\/UDP: shop\/pod\/web has port http for TCP only: write http or http\/TCP/,
    ],
    [
      'shop/api shop/front -p public/UDP',
      /--port public\/UDP: Service shop\/front has port public for TCP only: write public or public\/TCP/,
    ],
    [
      'shop/api shop/front -p 8000/SCTP',
      /--port 8000\/SCTP: Service shop\/front has port 8000 for TCP only: write 8000 or 8000\/TCP/,
    ],
    ['shop/api shop/web -p htp', /--port htp: shop\/pod\/web has no port of that name; it has http/],
    ['shop/api shop/front -p 9', /--port 9: Service shop\/front has no such port; it has 8000 \(public\)/],
  ];
  for (const [line, answer] of REFUSED) {
    it(`refuses "${line}" with exit code 2, and says why`, async () => {
      const { code, stdout, stderr } = await cli(`explain ${line} ${pods}`);
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
      assert.match(stderr, answer);
    });
  }

  it('suggests one connection that, pasted into the profile, allows the denied flow at both ends', async () => {
    const line = 'explain shop-checkout/cart shop-payments/ledger';
    const { stdout } = await cli(`${line} ${SHOP}`);
    const pasted = parse(stdout.slice(stdout.indexOf(':\n\n') + 3)) as object;
    const text = readFileSync('config/samples/shop/profile.yaml', 'utf8');
    const profile = parse(text) as SegmentationProfile;
    assert.deepEqual(pasted, {
      connections: [
        {
          name: 'cart-to-ledger',
          from: [{ namespaces: ['shop-checkout'], podSelector: { matchLabels: { app: 'cart' } } }],
          to: [{ namespaces: ['shop-payments'], podSelector: { matchLabels: { app: 'ledger' } } }],
          ports: [{ protocol: 'TCP', port: 5432 }],
        },
      ],
    });
    const { connections } = pasted as {
      connections: NonNullable<SegmentationProfile['spec']['connections']>;
    };
    const spec = { ...profile.spec, connections: [...(profile.spec.connections ?? []), ...connections] };
    const others = ['namespaces', 'workloads'].map((name) =>
      readFileSync(`config/samples/shop/${name}.yaml`, 'utf8'),
    );
    const stdin = [stringify({ ...profile, spec }), ...others].join('\n---\n');
    const after = await cli(`${line} -f -`, { stdin });
    assert.equal(after.code, 0, after.stdout + after.stderr);
    // No other flow opens, and none closes.
    const { stdout: changes } = await cli('diff --from config/samples/shop -f - -o json', { stdin });
    const { flows } = JSON.parse(changes) as {
      flows: { opened: { from: { name: string }; to: { name: string } }[]; closed: object[] };
    };
    assert.deepEqual(
      flows.opened.map(({ from, to }) => `${from.name} → ${to.name}`),
      ['cart → ledger'],
    );
    assert.deepEqual(flows.closed, []);
  });

  const ISOLATED_IN_PART = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-pay, namespace: shop}
spec: {podSelector: {matchLabels: {app: web, tier: pay}}}
---
apiVersion: v1
kind: Pod
metadata: {name: pay, namespace: shop, labels: {app: web, tier: pay}}
spec: {containers: [{name: a, image: a, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: open, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup, namespace: data}
spec: {schedule: "0 * * * *", jobTemplate: {spec: {template: {metadata: {labels: {job-name: run-1}}, spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}
`;

  it('suggests a policy that isolates no open pod of the namespace', async () => {
    const { stdout } = await cli('explain shop/open shop/pay -f -', { stdin: ISOLATED_IN_PART });
    const [, text = ''] = stdout.split(
      'To allow it, apply this NetworkPolicy in shop, beside the existing ones:',
    );
    const { spec } = parse(text) as NetworkPolicy;
    assert.deepEqual(spec.podSelector, { matchLabels: { tier: 'pay' } });
    assert.deepEqual(spec.ingress?.[0]?.from, [
      {
        podSelector: {
          matchLabels: { app: 'web' },
          matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }],
        },
      },
    ]);
  });

  it('suggests a label for a workload whose labels change from run to run', async () => {
    const { stdout } = await cli('explain data/backup shop/pay -f -', { stdin: ISOLATED_IN_PART });
    assert.match(
      stdout,
      /^First add this label to the pod template of data\/cj\/backup, as no stable label tells its pods from others:\n\n {2}app\.kubernetes\.io\/name: backup$/m,
    );
    assert.match(stdout, /podSelector:\n +matchLabels:\n +app\.kubernetes\.io\/name: backup/);
    assert.doesNotMatch(stdout, /job-name/);
    const json = await cli('explain data/backup shop/pay -f - -o json', { stdin: ISOLATED_IN_PART });
    const { suggestions } = JSON.parse(json.stdout) as { suggestions: { labels: object[] }[] };
    assert.deepEqual(suggestions[0]?.labels, [
      { workload: 'data/cj/backup', key: 'app.kubernetes.io/name', value: 'backup' },
    ]);
  });

  it('suggests policies of different names for workloads of different kinds and one name', async () => {
    const workload = (kind: string) => `---
apiVersion: apps/v1
kind: ${kind}
metadata: {name: api, namespace: a}
spec: {selector: {matchLabels: {app: ${kind}}}, template: {metadata: {labels: {app: ${kind}}}, spec: {containers: [{name: a, image: a}]}}}
`;
    const stdin = [ISOLATED_IN_PART, workload('Deployment'), workload('StatefulSet')].join('');
    const { stdout } = await cli('explain ns/a shop/pay -f - -o json', { stdin });
    const { suggestions } = JSON.parse(stdout) as { suggestions: { networkPolicy?: NetworkPolicy }[] };
    assert.deepEqual(
      suggestions.map(({ networkPolicy }) => networkPolicy?.metadata.name),
      ['pay-from-api', 'pay-from-api-2'],
    );
  });

  it('suggests nothing that would isolate open pods of the same workload, and says so', async () => {
    const pod = (index: number) => `---
apiVersion: v1
kind: Pod
metadata:
  name: db-${index}
  namespace: shop
  labels: {app: db, statefulset.kubernetes.io/pod-name: db-${index}}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}]
spec: {containers: [{name: a, image: a, ports: [{containerPort: 80}]}]}
`;
    const first = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: first, namespace: shop}
spec: {podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: db-0}}}
`;
    const stdin = [ISOLATED_IN_PART, pod(0), pod(1), first].join('');
    const { code, stdout, stderr } = await cli('explain shop/open shop/db -f -', { stdin });
    assert.equal(code, 1);
    assert.doesNotMatch(stdout, /To allow it/);
    assert.match(
      stderr,
      /note: no policy is suggested for the ingress of shop\/db-0: it would isolate shop\/db-1, which no stable label tells from the pods/,
    );
  });

  it('prints JSON and YAML with a JSON patch for each suggestion', async () => {
    const { stdout, code } = await cli(`explain shop-checkout/cart shop-payments/payments ${SHOP} -o json`);
    const { allowed, flows, suggestions } = JSON.parse(stdout) as {
      allowed: boolean;
      flows: { port: number; egress: { allowed: boolean }; ingress: { allowed: boolean } }[];
      suggestions: { profile: string; patch: { op: string; path: string; value: { name: string } }[] }[];
    };
    assert.deepEqual({ code, allowed, flows: flows.length }, { code: 1, allowed: false, flows: 1 });
    assert.equal(flows[0]?.port, 8443);
    assert.deepEqual(flows[0]?.egress.allowed, false);
    assert.equal(flows[0]?.ingress.allowed, false);
    assert.equal(suggestions.length, 1);
    const [{ path, value } = { path: '', value: { name: '' } }] = suggestions[0]?.patch ?? [];
    assert.deepEqual(
      { path, name: value.name, profile: suggestions[0]?.profile },
      { path: '/spec/connections/-', name: 'cart-to-payments', profile: 'shop' },
    );
    const yaml = await cli(`explain shop-checkout/cart shop-payments/payments ${SHOP} -o yaml`);
    assert.deepEqual(parse(yaml.stdout), JSON.parse(stdout));
  });

  it('answers with --as-enforced as if a profile under Audit were enforced', async () => {
    const files = ['profile', 'namespaces', 'workloads'].map((name) =>
      readFileSync(`config/samples/shop/${name}.yaml`, 'utf8'),
    );
    const stdin = files
      .join('\n---\n')
      .replace('spec:\n  namespaceSelector', 'spec:\n  mode: Audit\n  namespaceSelector');
    assert.ok(
      parseAllDocuments(stdin).some(
        (each) => (each.toJS() as { spec?: { mode?: string } }).spec?.mode === 'Audit',
      ),
    );
    const line = 'explain shop-checkout/cart shop-payments/ledger -f -';
    assert.equal((await cli(line, { stdin })).code, 0);
    assert.equal((await cli(`${line} --as-enforced`, { stdin })).code, 1);
  });

  it('judges pods on the host network by those on other nodes, as the own node of a pod always reaches it', async () => {
    const agent = (node: string) => `
---
apiVersion: v1
kind: Pod
metadata:
  name: agent-${node}
  namespace: a
  ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: agent, uid: u, controller: true}]
spec: {hostNetwork: true, nodeName: ${node}, containers: [{name: a, image: a}]}
status: {phase: Running, podIPs: [{ip: 192.168.0.${node.length}}]}
`;
    const stdin = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: b}
spec: {podSelector: {}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: b}
spec: {nodeName: node-a, containers: [{name: a, image: a}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
${agent('node-a')}${agent('node-bb')}`;
    const { stdout } = await cli('explain a/agent b/web -p 80 -f -', { stdin });
    assert.match(stdout, /^DENIED {2}a\/ds\/agent → b\/pod\/web {2}TCP 80$/m);
  });

  it('judges every address of a node', async () => {
    const stdin = `
apiVersion: v1
kind: Node
metadata: {name: dual}
status: {addresses: [{type: InternalIP, address: 192.168.0.9}, {type: InternalIP, address: "fd00::9"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: six, namespace: a}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "fd00::/64"}}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a}
spec: {containers: [{name: a, image: a}]}
`;
    const { stdout, code } = await cli('explain node/dual a/web -p 80 -f -', { stdin });
    assert.equal(code, 1);
    assert.match(stdout, /^DENIED {2}node\/dual \(192\.168\.0\.9\) → a\/pod\/web/m);
    assert.match(stdout, /^ALLOWED {2}node\/dual \(fd00::9\) → a\/pod\/web/m);
  });

  it('says why it suggests no rule for pods on the host network without known addresses', async () => {
    const agent = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: monitoring}
spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {hostNetwork: true, containers: [{name: a, image: a}]}}}
`;
    const line = 'explain monitoring/agent shop-payments/payments --port 8443 -f config/samples/shop -f -';
    const { code, stdout, stderr } = await cli(line, { stdin: agent });
    assert.equal(code, 1);
    assert.doesNotMatch(stdout, /To allow it/);
    assert.match(stderr, /only an ipBlock with the addresses of its nodes could allow monitoring\/ds\/agent/);
  });
});
