// The cost of the expressions of config/workloads on a real API server: large objects, with the most and the longest limits.
// The one entry that breaks a limit is the last one. `images` is in limits.test.ts.
import assert from 'node:assert/strict';
import { violationsOf } from '../../../src/policy/workloads/groups.ts';
import type { Ingress } from '../../../src/policy/workloads/objects.ts';
import { type Limited, WorkloadScene } from './scene.ts';

const many = <T>(count: number, each: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => each(index));
const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec });
const PODS = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;
const SERVICES = (namespace: string) => `/api/v1/namespaces/${namespace}/services`;
const INGRESSES = (namespace: string) => `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`;

const MOST = { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' };
/** Hosts of the greatest length. */
const HOSTS = many(64, (index) => `*.d${index}.${many(3, () => 'y'.repeat(60)).join('.')}.example.com`);
const rule = (host: string) => ({
  host,
  http: {
    paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'x', port: { number: 80 } } } }],
  },
});
const ingress = (count: number, last: string) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name: 'x' },
  spec: { rules: [...many(count - 1, (index) => rule(`h${index}${HOSTS[63]?.slice(1)}`)), rule(last)] },
});

interface Case {
  readonly workloads: object;
  readonly path: (namespace: string) => string;
  /** The object; with `isEvil` its last entry breaks the limit. */
  readonly object: (isEvil: boolean) => object;
  readonly says: RegExp;
}

const CASES: Readonly<Record<string, Case>> = {
  'resources: 2,000 containers': {
    workloads: { resources: { requests: Object.keys(MOST), limits: Object.keys(MOST), maxLimits: MOST } },
    path: PODS,
    object: (isEvil) => {
      const resources = { requests: MOST, limits: MOST };
      const evil = { limits: { ...MOST, memory: '2Gi' } };
      const containers = many(2000, (index) => ({ name: `c${index}`, image: 'x', resources }));
      return pod({
        containers: [...containers, { name: 'last', image: 'x', resources: isEvil ? evil : resources }],
      });
    },
    says: /container last has a limit for memory of 2Gi/,
  },
  'privileged: 2,000 containers with capabilities': {
    workloads: {
      privileged: {
        hostNetwork: 'Deny',
        hostPath: 'Deny',
        privileged: 'Deny',
        capabilities: { allowed: many(64, (index) => `CAPABILITY_${index}`) },
      },
    },
    path: PODS,
    object: (isEvil) => {
      const adds = (name: string, capability: string) => ({
        name,
        image: 'x',
        securityContext: { capabilities: { add: [capability] } },
      });
      const containers = many(2000, (index) => adds(`c${index}`, 'CAPABILITY_63'));
      return pod({ containers: [...containers, adds('last', isEvil ? 'SYS_ADMIN' : 'CAPABILITY_63')] });
    },
    says: /container last adds the capability SYS_ADMIN/,
  },
  'serviceAccounts: 4,000 volumes with tokens': {
    workloads: {
      serviceAccounts: {
        defaultAccount: 'Deny',
        automountToken: 'Deny',
        allowed: [...many(63, (index) => `${'a'.repeat(60)}-${index}`), 'web'],
      },
    },
    path: PODS,
    object: (isEvil) => {
      const volume = (name: string, audience?: string) => ({
        name,
        projected: { sources: [{ serviceAccountToken: { path: 't', ...(audience && { audience }) } }] },
      });
      return pod({
        serviceAccountName: 'web',
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'x' }],
        volumes: [
          ...many(4000, (index) => volume(`v${index}`, 'vault')),
          volume('last', isEvil ? undefined : 'vault'),
        ],
      });
    },
    says: /the pod gets a token of its ServiceAccount/,
  },
  'exposure.hostPort: 1,000 containers with ten ports each': {
    workloads: { exposure: { hostPort: 'Deny' } },
    path: PODS,
    object: (isEvil) => {
      const ports = (from: number) => many(10, (index) => ({ containerPort: from + index }));
      const containers = many(1000, (index) => ({
        name: `c${index}`,
        image: 'x',
        ports: ports(1 + 10 * index),
      }));
      const last = {
        name: 'last',
        image: 'x',
        ports: [{ containerPort: 80, ...(isEvil && { hostPort: 80 }) }],
      };
      return pod({ containers: [...containers, last] });
    },
    says: /container last has the host port 80/,
  },
  'exposure.loadBalancer: 10,000 ranges of clients': {
    workloads: {
      exposure: {
        nodePort: 'Deny',
        externalIPs: 'Deny',
        loadBalancer: {
          sourceRanges: 'Required',
          classes: many(16, (index) => `example.com/class-${index}`),
        },
      },
    },
    path: SERVICES,
    object: (isEvil) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'x' },
      spec: {
        type: 'LoadBalancer',
        loadBalancerClass: 'example.com/class-15',
        allocateLoadBalancerNodePorts: false,
        ports: [{ port: 80 }],
        loadBalancerSourceRanges: [
          ...many(10_000, (index) => `10.${index >> 8}.${index & 255}.0/24`),
          isEvil ? '0.0.0.0/0' : '192.0.2.0/24',
        ],
      },
    }),
    says: /open to every address/,
  },
  'exposure.hosts: 312 hosts': {
    workloads: { exposure: { hosts: HOSTS } },
    path: INGRESSES,
    object: (isEvil) => ingress(312, isEvil ? 'evil.example.net' : `last${HOSTS[63]?.slice(1)}`),
    // The words with these hosts are longer than the API server admits: those without them stand in.
    says: /a host is none of workloads\.exposure\.hosts of the SegmentationProfile/,
  },
};

describe('the budget of the API server for expressions', () => {
  let scene: WorkloadScene;
  const places = new Map<string, Limited>();
  const placeOf = (what: string) => places.get(what) ?? assert.fail(what);

  before(async () => {
    scene = await WorkloadScene.make();
    for (const [what, { workloads }] of Object.entries(CASES))
      places.set(what, await scene.limited(workloads));
    await Promise.all(
      Object.entries(CASES).map(([what, { path, object }]) => {
        const { namespace } = placeOf(what);
        return scene.inForce(() => scene.ask(`${path(namespace)}?dryRun=All`, object(true)));
      }),
    );
  });
  after(() => scene.end());

  for (const [what, { path, object, says }] of Object.entries(CASES)) {
    it(`is enough for ${what}`, async () => {
      const url = `${path(placeOf(what).namespace)}?dryRun=All`;
      const refused = await scene.ask(url, object(true));
      assert.match(refused.message, says);
      assert.equal(refused.status, 403);
      const admitted = await scene.ask(url, object(false));
      assert.deepEqual([admitted.status, admitted.warnings], [201, []], admitted.message);
    });
  }

  it('is not spent on more hosts than can be judged, which are refused in the words of the count', async () => {
    const at = placeOf('exposure.hosts: 312 hosts');
    const object = ingress(313, `last${HOSTS[63]?.slice(1)}`);
    const { status, message } = await scene.ask(`${INGRESSES(at.namespace)}?dryRun=All`, object);
    assert.equal(status, 403, message);
    const words =
      'there are more than the 312 hosts that its workloads.exposure.hosts can judge: split the object';
    assert.ok(message.endsWith(`SegmentationProfile ${at.profile}: ${words}`), message);
    const [counted] = violationsOf(await scene.profile(at), 'Ingress', object as unknown as Ingress);
    assert.equal(counted?.message, words);
  });
});
