// spec.workloads.exposure on a real API server: Services, Ingresses and routes of the Gateway API.
import assert from 'node:assert/strict';
import { type Judged, violationsOf } from '../../../src/policy/workloads/groups.ts';
import { type Limited, WorkloadScene } from './scene.ts';

const GATEWAY = 'gateway.networking.k8s.io';

interface Case {
  readonly exposure: object;
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: keyof Judged;
  readonly broken: object;
  readonly kept: object;
  readonly says: RegExp;
}

const service = (spec: object) => ({ selector: { app: 'x' }, ports: [{ port: 80 }], ...spec });
const SERVICE = { path: '/api/v1/namespaces/%/services', apiVersion: 'v1', kind: 'Service' } as const;
const INGRESS = {
  path: '/apis/networking.k8s.io/v1/namespaces/%/ingresses',
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
} as const;
const ROUTE = {
  path: `/apis/${GATEWAY}/v1/namespaces/%/httproutes`,
  apiVersion: `${GATEWAY}/v1`,
  kind: 'HTTPRoute',
} as const;
const backend = { service: { name: 'x', port: { number: 80 } } };
const ingress = (...hosts: readonly (string | undefined)[]) => ({
  rules: hosts.map((host) => ({
    ...(host !== undefined && { host }),
    http: { paths: [{ path: '/', pathType: 'Prefix', backend }] },
  })),
});
const HOSTS = { hosts: ['shop.example.com', '*.shop.example.com'] };

const CASES: Readonly<Record<string, Case>> = {
  'nodePort by type NodePort': {
    exposure: { nodePort: 'Deny' },
    ...SERVICE,
    broken: service({ type: 'NodePort' }),
    kept: service({}),
    says: /the Service opens ports of every node, which its workloads\.exposure\.nodePort denies: write type: ClusterIP/,
  },
  'nodePort by type LoadBalancer': {
    exposure: { nodePort: 'Deny' },
    ...SERVICE,
    broken: service({ type: 'LoadBalancer' }),
    kept: service({ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }),
    says: /the Service opens ports of every node/,
  },
  externalIPs: {
    exposure: { externalIPs: 'Deny' },
    ...SERVICE,
    broken: service({ externalIPs: ['192.0.2.1'] }),
    kept: service({}),
    says: /takes the traffic of the external IP 192\.0\.2\.1, which its workloads\.exposure\.externalIPs denies/,
  },
  'loadBalancer.sourceRanges that are absent': {
    exposure: { loadBalancer: { sourceRanges: 'Required' } },
    ...SERVICE,
    broken: service({ type: 'LoadBalancer' }),
    kept: service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] }),
    says: /open to every address, which its workloads\.exposure\.loadBalancer\.sourceRanges denies: list/,
  },
  'loadBalancer.sourceRanges of every address': {
    exposure: { loadBalancer: { sourceRanges: 'Required' } },
    ...SERVICE,
    broken: service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24', '0.0.0.0/0'] }),
    kept: service({}),
    says: /open to every address/,
  },
  'loadBalancer.classes': {
    exposure: { loadBalancer: { classes: ['example.com/internal'] } },
    ...SERVICE,
    broken: service({ type: 'LoadBalancer' }),
    kept: service({ type: 'LoadBalancer', loadBalancerClass: 'example.com/internal' }),
    says: /is of no class, which is none of its workloads\.exposure\.loadBalancer\.classes: use example\.com\/internal$/,
  },
  'loadBalancer.classes that are none': {
    exposure: { loadBalancer: { classes: [] } },
    ...SERVICE,
    broken: service({ type: 'LoadBalancer', loadBalancerClass: 'example.com/internal' }),
    kept: service({ type: 'NodePort' }),
    says: /is of class example\.com\/internal, which is none of its .*: use no load balancer$/,
  },
  'hosts of an Ingress': {
    exposure: HOSTS,
    ...INGRESS,
    broken: ingress('shop.example.com', 'evilshop.example.com'),
    kept: ingress('shop.example.com', 'a.shop.example.com', 'b.a.shop.example.com', '*.shop.example.com'),
    says: /the host evilshop\.example\.com is none of its workloads\.exposure\.hosts: use shop\.example\.com, \*\.shop/,
  },
  'hosts of an Ingress for every host': {
    exposure: HOSTS,
    ...INGRESS,
    broken: ingress(undefined),
    kept: ingress('shop.example.com'),
    says: /the object is for every host of its|the object is for every host/,
  },
  'hosts of an Ingress with a default backend': {
    exposure: HOSTS,
    ...INGRESS,
    broken: { ...ingress('shop.example.com'), defaultBackend: backend },
    kept: ingress('a.shop.example.com'),
    says: /the object is for every host/,
  },
  'hosts of an HTTPRoute': {
    exposure: HOSTS,
    ...ROUTE,
    broken: { hostnames: ['shop.example.com', 'example.com'] },
    kept: { hostnames: ['a.shop.example.com'] },
    says: /the host example\.com is none of its workloads\.exposure\.hosts/,
  },
  'hosts of an HTTPRoute for every host': {
    exposure: HOSTS,
    ...ROUTE,
    broken: {},
    kept: { hostnames: ['shop.example.com'] },
    says: /the object is for every host/,
  },
};

/** A kind of the Gateway API without its schema. */
const ROUTES = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `httproutes.${GATEWAY}`,
    annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' },
  },
  spec: {
    group: GATEWAY,
    scope: 'Namespaced',
    names: { kind: 'HTTPRoute', listKind: 'HTTPRouteList', plural: 'httproutes', singular: 'httproute' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

describe('limits of workloads.exposure', () => {
  let scene: WorkloadScene;
  const places = new Map<string, Limited>();

  /** Asks to create an object of the case, as a dry run if it has no name. */
  const write = (
    what: string,
    spec: object,
    { name, at = places.get(what) }: { name?: string; at?: Limited } = {},
  ) => {
    const { path, apiVersion, kind } = CASES[what] ?? assert.fail(what);
    assert.ok(at);
    const collection = path.replace('%', at.namespace);
    const object = { apiVersion, kind, metadata: { name: name ?? 'new' }, spec };
    return scene.ask(`${collection}${name === undefined ? '?dryRun=All' : ''}`, object);
  };

  before(async () => {
    scene = await WorkloadScene.make();
    await scene.plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(ROUTES) });
    await scene.plane.kubectlRun(['wait', '--for=condition=Established', `crd/httproutes.${GATEWAY}`]);
    for (const [what, { exposure, broken }] of Object.entries(CASES)) {
      const old = (at: Limited) => write(what, broken, { name: 'old', at });
      places.set(what, await scene.limited({ exposure }, old));
    }
    await Promise.all(
      Object.entries(CASES).map(([what, { broken }]) => scene.inForce(() => write(what, broken))),
    );
  });
  after(async () => {
    await scene.plane.kubectlRun(['delete', 'crd', `httproutes.${GATEWAY}`]);
    await scene.end();
  });

  for (const [what, { broken, kept, says, path, kind }] of Object.entries(CASES)) {
    it(`${what}: refuse the object, admit one within the limit, and let an old one be changed and deleted`, async () => {
      const refused = await write(what, broken);
      assert.equal(refused.status, 403, refused.message);
      assert.match(refused.message, says);
      // The operator counts what exists in the same way, with the same words.
      const at = places.get(what) ?? assert.fail(what);
      const profile = await scene.profile(at);
      const counted = (object: object) =>
        violationsOf(profile, kind, { metadata: { name: 'x' }, ...object }).map(({ message }) => message);
      const [message = 'nothing is counted'] = counted({ spec: broken });
      assert.ok(refused.message.endsWith(`SegmentationProfile ${at.profile}: ${message}`), message);
      const admitted = await write(what, kept);
      assert.deepEqual([admitted.status, admitted.warnings], [201, []], admitted.message);
      assert.deepEqual(counted(admitted.object ?? {}), []);
      const old = `${path.replace('%', at.namespace)}/old`;
      const change = kind === 'Service' ? { spec: { sessionAffinity: 'ClientIP' } } : { spec: { other: 1 } };
      const patched = await scene.ask(
        old,
        kind === 'Ingress' ? { metadata: { labels: { a: 'b' } } } : change,
        {
          method: 'PATCH',
          contentType: 'application/merge-patch+json',
        },
      );
      assert.equal(patched.status, 200, patched.message);
      assert.equal((await scene.ask(old, undefined, { method: 'DELETE' })).status, 200);
    });
  }
});
