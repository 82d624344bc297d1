// The expressions of config/workloads against src/policy/workloads, on generated pods of a fixed seed: the API server has
// to refuse exactly what the operator counts as a violation, with the same words. WORKLOAD_RUNS=20 WORKLOAD_SEED=7 takes
// twenty times as many, from another seed.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ProfileSpec } from '../../../src/api/profile.ts';
import { type GroupName, violationsOf } from '../../../src/policy/workloads/groups.ts';
import type { Pod } from '../../../src/policy/workloads/objects.ts';
import { type Limited, WorkloadScene } from './scene.ts';

const SEED = Number(process.env.WORKLOAD_SEED ?? 20_261_129);
const PROFILES = 6;
const PODS = 60 * Number(process.env.WORKLOAD_RUNS ?? 1);

type Workloads = NonNullable<ProfileSpec['workloads']>;

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

/** The limits of each group. */
const LIMITS: { readonly [Name in GroupName]: fc.Arbitrary<NonNullable<Workloads[Name]>> } = {
  images: fc
    .record({
      action: fc.constant('Enforce' as const),
      registries: maybe(registries),
      digest: fc.constantFrom('Required', 'Optional'),
      tags: maybe(fc.constantFrom({ deny: ['latest'] }, { deny: ['1', 'main', '5000'] })),
      exempt: maybe(registries),
    })
    .filter(
      ({ registries: some, digest: need, tags }) =>
        some !== undefined || need === 'Required' || tags !== undefined,
    )
    .map(defined),
};

const container = fc.record({ name: fc.constant('c'), image }).map(defined);

/** Names of containers and volumes are given by position: they have to be unique. */
const podSpec = fc
  .record({
    containers: fc.array(container, { minLength: 1, maxLength: 3 }),
    initContainers: maybe(fc.array(container, { maxLength: 2 })),
    volumes: maybe(fc.array(fc.record({ image: fc.record({ reference: image }) }), { maxLength: 2 })),
  })
  .map(({ containers, initContainers, volumes }) =>
    defined({
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

  before(async () => {
    scene = await WorkloadScene.make();
  });
  after(() => scene.end());

  for (const group of Object.keys(LIMITS) as GroupName[]) {
    it(`refuse by workloads.${group} exactly the pods that the operator counts, with the same words`, async () => {
      const limits: object[] = fc.sample(LIMITS[group], { seed: SEED, numRuns: PROFILES });
      const specs = fc.sample(podSpec, { seed: SEED + 1, numRuns: PODS });
      const places: { at: Limited; workloads: object }[] = [];
      for (const each of limits) {
        const workloads = { [group]: each };
        places.push({ at: await scene.limited(workloads), workloads });
      }
      const counts = { refused: 0, admitted: 0 };
      await Promise.all(
        places.map(async ({ at, workloads }) => {
          const profile = await scene.profile(at);
          const expected = (spec: object) =>
            violationsOf(profile, 'Pod', { metadata: { name: 'x' }, spec } as Pod)[0]?.message;
          const broken = specs.find((spec) => expected(spec) !== undefined);
          if (broken !== undefined) await scene.inForce(() => scene.createPod(at, broken));
          for (const spec of specs) {
            const answer = await scene.createPod(at, spec);
            // Invalid for other reasons: nothing is compared.
            if (answer.status === 422) continue;
            const message = expected(spec);
            counts[message === undefined ? 'admitted' : 'refused'] += 1;
            const context = `${JSON.stringify(workloads)} ${JSON.stringify(spec)}: ${answer.message}`;
            assert.equal(answer.status, message === undefined ? 201 : 403, context);
            if (message !== undefined)
              assert.ok(
                answer.message.endsWith(`SegmentationProfile ${at.profile}: ${message}`),
                `${message} ${context}`,
              );
          }
        }),
      );
      assert.ok(counts.refused > PODS && counts.admitted > PODS / 4, JSON.stringify(counts));
    });
  }
});
