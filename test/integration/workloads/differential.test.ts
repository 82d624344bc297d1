// The expressions of config/workloads against src/policy/workloads, on generated pods of a fixed seed: the API server has
// to refuse exactly what the operator counts as a violation, with the same words. WORKLOAD_RUNS=20 WORKLOAD_SEED=7 takes
// twenty times as many, from another seed.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type GroupName, violationsOf } from '../../../src/policy/workloads/groups.ts';
import type { Pod } from '../../../src/policy/workloads/objects.ts';
import { type Limited, WorkloadScene } from './scene.ts';

const SEED = Number(process.env.WORKLOAD_SEED ?? 20_261_129);
const PROFILES = 6;
const PODS = 50 * Number(process.env.WORKLOAD_RUNS ?? 1);

const anyHost = fc.constantFrom(
  '',
  'registry.example.com/',
  'registry.example.com:5000/',
  'registry.example.com.evil/',
  'registry.example.com@evil/',
  'registry.example.comevil/',
  'Registry.example.com/',
  'docker.io/',
  'index.docker.io/',
  'docker.io.evil/',
  'localhost/',
  'localhost:5000/',
  '[2001:db8::1]:5000/',
  'library/',
  'Team/',
  'team@x/',
);
const path = fc.constantFrom(
  'app',
  'team/app',
  'team/app/x',
  'teammate/app',
  'registry.example.com',
  'a/library/b',
);
const tag = fc.constantFrom('', ':latest', ':1', ':5000', ':main', ':', ':evil/x');
const digest = fc.oneof(
  { arbitrary: fc.constant(''), weight: 3 },
  fc.constantFrom(
    `@sha256:${'a'.repeat(64)}`,
    `@sha512:${'0'.repeat(128)}`,
    `@sha256:${'a'.repeat(63)}`,
    `@sha256:${'A'.repeat(64)}`,
    `@sha256:${'a'.repeat(64)}/x`,
    '@evil',
  ),
);
const image = fc.oneof(
  fc.tuple(anyHost, path, tag, digest).map((parts) => parts.join('')),
  {
    arbitrary: fc
      .tuple(fc.constantFrom('registry.example.com/', ''), path, fc.constantFrom(':1', ''))
      .map(([host, rest, of]) => `${host}${rest}${of}@sha256:${'b'.repeat(64)}`),
    weight: 3,
  },
);
const registry = fc.constantFrom(
  'registry.example.com',
  'registry.example.com:5000',
  'registry.example.com/team',
  'docker.io',
  'docker.io/library',
  'docker.io/team/app',
  'localhost',
  '[2001:db8::1]:5000',
);
const registries = fc.uniqueArray(registry, { minLength: 1, maxLength: 6 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const action = fc.constant('Enforce' as const);
const resourceNames = fc.uniqueArray(fc.constantFrom('cpu', 'memory', 'ephemeral-storage'), {
  minLength: 1,
  maxLength: 3,
});
const limitsOf = fc
  .record({
    cpu: maybe(fc.constantFrom(1, '500m', '1.5', '2', '2000m', '1e0')),
    memory: maybe(fc.constantFrom('1Gi', '1G', '1024Mi', '1073741824', '2Gi', '1.5Gi')),
    'ephemeral-storage': maybe(fc.constantFrom('1Gi', '1000M')),
  })
  .map(defined);
/** Below all limits: otherwise the pod is invalid. */
const requestsOf = fc
  .record({
    cpu: maybe(fc.constantFrom('100m', '0.1')),
    memory: maybe(fc.constantFrom('64Mi', '1e6')),
    'ephemeral-storage': maybe(fc.constantFrom('1M')),
  })
  .map(defined);
/** Above those of all containers together. */
const ofPod = fc.constantFrom(
  { limits: { memory: '16Gi' } },
  { limits: { cpu: '16', memory: '16Gi' } },
  { requests: { cpu: '8' } },
);
const deniable = fc.constantFrom('Allow', 'Deny');

/** The limits of each group. */
const LIMITS: { readonly [Name in GroupName]: fc.Arbitrary<object> } = {
  images: fc
    .record({
      action,
      registries: maybe(registries),
      digest: fc.constantFrom('Required', 'Optional'),
      tags: maybe(fc.constantFrom({ deny: ['latest'] }, { deny: ['1', 'main', '5000'] })),
      exempt: maybe(registries),
    })
    .filter(
      ({ registries: some, digest: need, tags }) =>
        some !== undefined || need === 'Required' || tags !== undefined,
    ),
  resources: fc
    .record({
      action,
      requests: maybe(resourceNames),
      limits: maybe(resourceNames),
      maxLimits: maybe(limitsOf.filter((each) => Object.keys(each).length > 0)),
    })
    .filter((each) => Object.keys(defined(each)).length > 1),
  serviceAccounts: fc
    .record({
      action,
      defaultAccount: fc.constantFrom('Allow', 'Deny'),
      automountToken: fc.constantFrom('Allow', 'IfUsed', 'Deny'),
      allowed: maybe(fc.constantFrom(['web'], ['default', 'web'], ['another'])),
    })
    .filter(
      ({ defaultAccount, automountToken, allowed }) =>
        defaultAccount === 'Deny' || automountToken !== 'Allow' || allowed !== undefined,
    ),
  exposure: fc.constant({ action: 'Enforce', hostPort: 'Deny' }),
  privileged: fc
    .record({
      action,
      hostNetwork: deniable,
      hostPID: deniable,
      hostIPC: deniable,
      hostPath: deniable,
      privileged: deniable,
      capabilities: maybe(fc.constantFrom({ allowed: [] }, { allowed: ['NET_ADMIN', 'CHOWN'] })),
    })
    .filter((limits) => Object.values(limits).some((each) => each === 'Deny' || typeof each === 'object')),
};

const resources = fc
  .oneof(
    fc.record({ requests: maybe(requestsOf), limits: maybe(limitsOf) }),
    fc.constant({ limits: { cpu: '500m', memory: '1Gi', 'ephemeral-storage': '1G' } }),
  )
  .map((each: object) => defined(each));
const rarely = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary, weight: 1 });
const securityContext = fc
  .record({
    privileged: rarely(fc.boolean()),
    capabilities: rarely(fc.record({ add: fc.subarray(['NET_ADMIN', 'CHOWN', 'ALL', 'net_admin']) })),
  })
  .map(defined);
const ports = fc.constantFrom([{ containerPort: 80 }], [{ containerPort: 80, hostPort: 8080 }]);
const container = fc
  .record({
    image,
    resources: maybe(resources),
    ports: rarely(ports),
    securityContext: rarely(securityContext),
  })
  .map(defined);
const token = fc
  .record({ path: fc.constant('t'), audience: maybe(fc.constantFrom('vault', '')) })
  .map(defined);
const volume = fc.oneof(
  fc.record({ image: fc.record({ reference: image }) }),
  fc.record({
    projected: fc.record({ sources: fc.array(fc.record({ serviceAccountToken: token }), { maxLength: 2 }) }),
  }),
  fc.constant({ emptyDir: {} }),
  fc.constant({ hostPath: { path: '/var' } }),
);

/** Names of containers and volumes are given by position: they have to be unique. */
const podSpec = fc
  .record({
    containers: fc.array(container, { minLength: 1, maxLength: 2 }),
    initContainers: maybe(fc.array(container, { maxLength: 2 })),
    volumes: maybe(fc.array(volume, { maxLength: 2 })),
    resources: rarely(ofPod),
    serviceAccountName: maybe(fc.constantFrom('web', 'default')),
    automountServiceAccountToken: maybe(fc.boolean()),
    hostNetwork: rarely(fc.boolean()),
    hostPID: rarely(fc.boolean()),
    hostIPC: rarely(fc.boolean()),
  })
  .map(({ containers, initContainers, volumes, ...rest }) =>
    defined({
      ...rest,
      containers: containers.map((each, index) => ({ ...each, name: `c${index}` })),
      initContainers: initContainers?.map((each, index) => ({ ...each, name: `i${index}` })),
      volumes: volumes?.map((each, index) => ({ ...each, name: `v${index}` })),
    }),
  );

/** A copy without absent fields: the API server has no `undefined`. */
function defined<T extends object>(object: T): T {
  return JSON.parse(JSON.stringify(object)) as T;
}

describe('the policies of config/workloads', () => {
  let scene: WorkloadScene;
  /** The generated pods that are valid: as they were written, and with the defaults of the API server. */
  const pods: { readonly spec: object; readonly stored: Pod }[] = [];

  before(async () => {
    scene = await WorkloadScene.make();
    const free = await scene.limited(undefined);
    for (const spec of fc.sample(podSpec, { seed: SEED, numRuns: PODS })) {
      const { status, object } = await scene.createPod(free, spec);
      if (status === 201) pods.push({ spec, stored: object as unknown as Pod });
    }
    assert.ok(pods.length > PODS / 3, `${pods.length} of ${PODS} pods are valid`);
  });
  after(() => scene.end());

  for (const group of Object.keys(LIMITS) as GroupName[]) {
    it(`refuse by workloads.${group} exactly the pods that the operator counts, with the same words`, async () => {
      const places: Limited[] = [];
      for (const limits of fc.sample(LIMITS[group], { seed: SEED, numRuns: PROFILES }))
        places.push(await scene.limited({ [group]: defined(limits) }));
      const counts = { refused: 0, admitted: 0 };
      await Promise.all(
        places.map(async (at) => {
          const profile = await scene.profile(at);
          const expected = (stored: Pod) => violationsOf(profile, 'Pod', stored)[0]?.message;
          const broken = pods.find(({ stored }) => expected(stored) !== undefined);
          if (broken !== undefined) await scene.inForce(() => scene.createPod(at, broken.spec));
          for (const { spec, stored } of pods) {
            const answer = await scene.createPod(at, spec);
            const message = expected(stored);
            counts[message === undefined ? 'admitted' : 'refused'] += 1;
            const context = `${JSON.stringify(profile.spec.workloads)} ${JSON.stringify(spec)}: ${answer.message}`;
            assert.equal(answer.status, message === undefined ? 201 : 403, context);
            if (message !== undefined)
              assert.ok(
                answer.message.endsWith(`SegmentationProfile ${at.profile}: ${message}`),
                `${message} ${context}`,
              );
          }
        }),
      );
      assert.ok(
        counts.refused > pods.length / 2 && counts.admitted > pods.length / 2,
        JSON.stringify(counts),
      );
    });
  }
});
