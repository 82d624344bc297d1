// spec.workloads.exposure on a real API server: Services, Ingresses and routes of the Gateway API, by each way to write them and
// under each action.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Judged, violationsOf } from '../../../src/policy/workloads/groups.ts';
import { goIsThere, goModuleFolder, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { eventually } from '../../support/cluster.ts';
import { AuditLog } from './audit-log.ts';
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
const route = (kind: 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute', version: string) =>
  ({
    path: `/apis/${GATEWAY}/${version}/namespaces/%/${kind.toLowerCase()}s`,
    apiVersion: `${GATEWAY}/${version}`,
    kind,
  }) as const;
const tls = (...hostnames: readonly string[]) => ({
  hostnames,
  rules: [{ backendRefs: [{ name: 'x', port: 443 }] }],
});
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
    ...route('HTTPRoute', 'v1'),
    broken: { hostnames: ['shop.example.com', 'example.com'] },
    kept: { hostnames: ['a.shop.example.com'] },
    says: /the host example\.com is none of its workloads\.exposure\.hosts/,
  },
  'hosts of an HTTPRoute for every host': {
    exposure: HOSTS,
    ...route('HTTPRoute', 'v1'),
    broken: {},
    kept: { hostnames: ['shop.example.com'] },
    says: /the object is for every host/,
  },
  'hosts of an HTTPRoute in an older version': {
    exposure: HOSTS,
    ...route('HTTPRoute', 'v1beta1'),
    broken: { hostnames: ['example.com'] },
    kept: { hostnames: ['shop.example.com'] },
    says: /the host example\.com is none of its workloads\.exposure\.hosts/,
  },
  'hosts of a GRPCRoute': {
    exposure: HOSTS,
    ...route('GRPCRoute', 'v1'),
    broken: { hostnames: ['*.example.com'] },
    kept: { hostnames: ['*.shop.example.com'] },
    says: /the host \*\.example\.com is none of its workloads\.exposure\.hosts/,
  },
  'hosts of a GRPCRoute for every host': {
    exposure: HOSTS,
    ...route('GRPCRoute', 'v1'),
    broken: {},
    kept: { hostnames: ['shop.example.com'] },
    says: /the object is for every host/,
  },
  'hosts of a TLSRoute': {
    exposure: HOSTS,
    ...route('TLSRoute', 'v1'),
    broken: tls('example.com'),
    kept: tls('a.shop.example.com'),
    says: /the host example\.com is none of its workloads\.exposure\.hosts/,
  },
  'hosts of a TLSRoute in an older version': {
    exposure: HOSTS,
    ...route('TLSRoute', 'v1alpha2'),
    broken: tls('example.com'),
    kept: tls('shop.example.com'),
    says: /the host example\.com is none of its workloads\.exposure\.hosts/,
  },
};

const IN_FORCE = 60_000; // ms: the API server takes up bindings every second, and the machine is busy
const ACTIONS = ['Enforce', 'Warn', 'Audit'] as const;
type Action = (typeof ACTIONS)[number];

const isRoute = ({ apiVersion }: Case) => apiVersion.startsWith(GATEWAY);
/** The kinds of the Gateway API come from its Go module. */
const TRIED = Object.fromEntries(Object.entries(CASES).filter(([, each]) => goIsThere || !isRoute(each)));
const DEFINITIONS = ['httproutes', 'grpcroutes', 'tlsroutes'].map((plural) => `${plural}.${GATEWAY}`);

describe('limits of workloads.exposure', () => {
  let scene: WorkloadScene;
  const places = new Map<string, Limited>();
  let log: AuditLog;
  let definitions: string | undefined;
  const placeOf = (what: string, action: Action) => places.get(`${what} ${action}`) ?? assert.fail(what);

  interface WriteOptions {
    readonly at: Limited;
    /** Stored under this name; without one, the request is a dry run. */
    readonly name?: string;
    /** True for server-side apply. */
    readonly isApplied?: boolean;
    readonly groups?: readonly string[];
  }

  /** Asks to create an object of the case. */
  const write = (what: string, spec: object, { at, name, isApplied = false, groups }: WriteOptions) => {
    const { path, apiVersion, kind } = CASES[what] ?? assert.fail(what);
    const collection = path.replace('%', at.namespace);
    const object = { apiVersion, kind, metadata: { name: name ?? 'new' }, spec };
    const url = isApplied ? `${collection}/new?fieldManager=test&` : `${collection}?`;
    return scene.ask(`${url}${name === undefined ? 'dryRun=All' : ''}`, object, {
      ...(isApplied && { method: 'PATCH', contentType: 'application/apply-patch+yaml' }),
      ...(groups && { groups }),
    });
  };

  async function installRoutes(): Promise<void> {
    const folder = join(
      await goModuleFolder('gateway-api', 'sigs.k8s.io/gateway-api'),
      'config/crd/experimental',
    );
    const files = DEFINITIONS.map((name) => `${GATEWAY}_${name.split('.')[0]}.yaml`);
    definitions = files.map((file) => join(folder, file)).join(',');
    await scene.plane.kubectlRun(['apply', '--server-side', '-f', definitions]);
    const names = DEFINITIONS.map((name) => `crd/${name}`);
    await scene.plane.kubectlRun(['wait', '--for=condition=Established', ...names]);
  }

  before(async () => {
    scene = await WorkloadScene.make();
    log = new AuditLog(scene.plane);
    if (goIsThere) await installRoutes();
    await Promise.all(
      Object.entries(TRIED).flatMap(([what, { exposure, broken }]) =>
        ACTIONS.map(async (action) => {
          const old = (at: Limited) => write(what, broken, { name: 'old', at });
          const workloads = { exposure: { ...exposure, action }, breakGlassGroups: ['sre'] };
          places.set(`${what} ${action}`, await scene.limited(workloads, old));
        }),
      ),
    );
    await Promise.all(
      Object.entries(TRIED).flatMap(([what, { broken }]) =>
        (['Enforce', 'Warn'] as const).map((action) =>
          scene.inForce(() => write(what, broken, { at: placeOf(what, action) })),
        ),
      ),
    );
  });
  after(async () => {
    if (definitions !== undefined) await scene.plane.kubectlRun(['delete', '-f', definitions]);
    await scene.end();
  });

  for (const [what, each] of Object.entries(CASES)) {
    const { broken, kept, says, path, kind } = each;
    const isTried = what in TRIED;
    const check = isTried ? it : it.skip;
    const suffix = isTried ? '' : skippedWithoutGo;

    check(`${what} under Enforce refuse the object, and admit one within the limit${suffix}`, async () => {
      const at = placeOf(what, 'Enforce');
      const refused = await write(what, broken, { at });
      assert.equal(refused.status, 403, refused.message);
      assert.match(refused.message, says);
      assert.match((await write(what, broken, { at, isApplied: true })).message, says);
      // The operator counts what exists in the same way, with the same words.
      const profile = await scene.profile(at);
      const counted = (object: object) =>
        violationsOf(profile, kind, { metadata: { name: 'x' }, ...object }).map(({ message }) => message);
      const [message = 'nothing is counted'] = counted({ spec: broken });
      assert.ok(refused.message.endsWith(`SegmentationProfile ${at.profile}: ${message}`), message);
      const emergency = await write(what, broken, { at, groups: ['sre'] });
      assert.deepEqual([emergency.status, emergency.warnings], [201, []], emergency.message);
      for (const isApplied of [false, true]) {
        const admitted = await write(what, kept, { at, isApplied });
        assert.deepEqual([admitted.status, admitted.warnings], [201, []], admitted.message);
        assert.deepEqual(counted(admitted.object ?? {}), []);
      }
    });

    check(`${what} under Enforce let an object that was there be changed and deleted${suffix}`, async () => {
      const old = `${path.replace('%', placeOf(what, 'Enforce').namespace)}/old`;
      const change =
        kind === 'Service'
          ? { spec: { sessionAffinity: 'ClientIP' } }
          : kind === 'Ingress'
            ? { spec: { ingressClassName: 'other' } }
            : { spec: { parentRefs: [{ name: 'gateway' }] } };
      const options = { method: 'PATCH', contentType: 'application/merge-patch+json' } as const;
      const patched = await scene.ask(old, change, options);
      assert.equal(patched.status, 200, patched.message);
      assert.equal((await scene.ask(old, undefined, { method: 'DELETE' })).status, 200);
    });

    check(`${what} under Warn and Audit admit the object, and warn of it or record it${suffix}`, async () => {
      const warned = await write(what, broken, { at: placeOf(what, 'Warn') });
      assert.equal(warned.status, 201, warned.message);
      assert.match(warned.warnings.join(), says);
      await eventually(async () => {
        const { status, warnings, auditId } = await write(what, broken, { at: placeOf(what, 'Audit') });
        assert.deepEqual([status, warnings], [201, []]);
        assert.match(await eventually(() => log.failureOf(auditId)), says);
      }, IN_FORCE);
    });
  }
});
