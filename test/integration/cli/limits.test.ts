/**
 * The verdicts of the plugin's `workloads` against those of a real API server, on the same generated pods: by the policies of
 * config/workloads, and by Pod Security Admission. LIMIT_RUNS=20 takes twenty times as many pods.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { judgeObjects } from '../../../src/cli/commands/workloads/judge.ts';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { workloadBindings } from '../../../src/policy/workloads/groups.ts';
import { assumedNamespace } from '../../../src/cli/snapshot/manifests.ts';
import { ObjectSet } from '../../../src/snapshot/objects.ts';
import { Snapshot } from '../../../src/snapshot/snapshot.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator } from '../../support/operator.ts';
import { CONFIGURATION } from '../../policy/fixture.ts';

const PODS = 60 * Number(process.env.LIMIT_RUNS ?? 1);
const SEED = 20_261_129;
const WORKLOADS = join(import.meta.dirname, '../../../config/workloads');
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const image = fc.constantFrom(
  'registry.example.com/app:1',
  'registry.example.com/app',
  'registry.example.com.evil/app:1',
  'registry.example.com:5000/app:1',
  'REGISTRY.example.com/app:1',
  'nginx',
  'docker.io/library/nginx:1',
  `registry.example.com/app@sha256:${'a'.repeat(64)}`,
  `nginx:latest@sha256:${'b'.repeat(64)}`,
);
/** A context that restricted admits. */
const COMPLIANT = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};
const anyContext = fc
  .record({
    privileged: maybe(fc.constantFrom(true, false)),
    allowPrivilegeEscalation: maybe(fc.constant(false)),
    runAsNonRoot: maybe(fc.boolean()),
    capabilities: maybe(
      fc.record({
        add: maybe(fc.constantFrom(['NET_RAW'], ['NET_BIND_SERVICE'], ['CHOWN'])),
        drop: maybe(fc.constant(['ALL'])),
      }),
    ),
    seccompProfile: maybe(fc.record({ type: fc.constantFrom('RuntimeDefault', 'Unconfined') })),
  })
  // Validation refuses both together.
  .map((context) => (context.privileged === true ? { ...context, allowPrivilegeEscalation: true } : context));
const context: fc.Arbitrary<object | undefined> = fc.oneof(
  { arbitrary: maybe(anyContext), weight: 1 },
  { arbitrary: fc.constantFrom(COMPLIANT, { ...COMPLIANT, runAsUser: 0 }), weight: 3 },
);
const container = fc.record({ image, securityContext: context });
const podSpec = fc
  .record({
    hostNetwork: fc.constantFrom(undefined, undefined, undefined, true),
    hostPID: fc.constantFrom(undefined, undefined, false, true),
    containers: fc.array(container, { minLength: 1, maxLength: 2 }),
    initContainers: maybe(fc.array(container, { maxLength: 1 })),
    volumes: maybe(fc.constantFrom<object[]>([{ emptyDir: {} }], [{ hostPath: { path: '/' } }])),
  })
  .map((spec) => {
    const named = <T extends object>(letter: string, list: readonly T[] | undefined) =>
      list?.map((each, index) => ({ ...each, name: `${letter}${index}` }));
    const { containers, initContainers, volumes, ...rest } = spec;
    const whole = {
      ...rest,
      containers: named('c', containers),
      initContainers: named('i', initContainers),
      volumes: named('v', volumes),
    };
    return JSON.parse(JSON.stringify(whole)) as object;
  });

describe('verdicts of kubectl segmentation workloads', () => {
  let plane: ControlPlane;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    await installOperator(plane);
    await plane.kubectlRun(['apply', '-k', WORKLOADS]);
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'limits');
  });
  afterEach(() => box.remove());
  after(() => plane.kubectlRun(['delete', '-k', WORKLOADS]));

  /** The messages of refusals, by the plugin. */
  const judge = (profile: SegmentationProfile, pod: KubeObject): string[] => {
    const objects = new ObjectSet();
    const { namespace = '', name } = pod.metadata;
    const { metadata } = assumedNamespace(namespace);
    objects.put('Namespace', { metadata: { ...metadata, labels: { ...metadata.labels, ...box.label } } });
    objects.put('Pod', pod, { file: 'pod.yaml', line: 1 });
    const snapshot = new Snapshot({
      objects,
      assumed: [],
      unread: new Map(),
      configuration: CONFIGURATION,
      protectedNamespaces: [],
      origin: name,
      isObserved: false,
      namespace,
    });
    return judgeObjects(snapshot, [profile])
      .judgements.filter(({ effect }) => effect === 'refused')
      .map(({ message }) => message);
  };
  const podOf = (namespace: string, spec: object): KubeObject => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'try', namespace }, spec };
    return pod;
  };
  /** The message of the API server's refusal; undefined if it admits the pod. */
  const refusal = async (pod: KubeObject): Promise<string | undefined> => {
    try {
      await plane.admin.send('POST', `/api/v1/namespaces/${pod.metadata.namespace}/pods?dryRun=All`, pod);
      return undefined;
    } catch (error) {
      const { status, message } = error as { status: number; message: string };
      assert.equal(status, 403, message);
      return message.replaceAll('\\"', '"');
    }
  };
  const compare = async (
    profile: SegmentationProfile,
    namespace: string,
    isSame: (answer: string, messages: readonly string[]) => boolean,
  ) => {
    // A pod is refused until its namespace has a default ServiceAccount.
    const account = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
    await eventually(() => box.read(account));
    let [refused, admitted] = [0, 0];
    for (const spec of fc.sample(podSpec, { seed: SEED, numRuns: PODS })) {
      const pod = podOf(namespace, spec);
      const [messages, answer] = [judge(profile, pod), await refusal(pod)];
      const about = `${JSON.stringify(spec)}\nplugin: ${messages.join('; ')}\nserver: ${answer}`;
      assert.equal(messages.length > 0, answer !== undefined, about);
      if (answer === undefined) admitted += 1;
      else {
        refused += 1;
        assert.ok(isSame(answer, messages), about);
      }
    }
    assert.ok(refused > 5 && admitted > 0, `${refused} refused, ${admitted} admitted`);
  };

  it('equal those of the policies of config/workloads, with the same words', async () => {
    const namespace = await box.namespace('images');
    const images = { registries: ['registry.example.com', 'docker.io/library'], tags: { deny: ['latest'] } };
    // Under Audit an operator of another suite writes no bindings for it.
    const name = await box.profile('images', { mode: 'Audit', workloads: { images } });
    const stored = await box.readProfile(name);
    const profile: SegmentationProfile = { ...stored, spec: { ...stored.spec, mode: 'Enforce' } };
    for (const binding of workloadBindings(profile, [])) await box.create(BINDINGS, binding as never);
    const foreign = podOf(namespace, { containers: [{ name: 'c', image: 'elsewhere.example.com/x:1' }] });
    await eventually(async () => assert.match((await refusal(foreign)) ?? '', /SegmentationProfile/));
    await compare(profile, namespace, (answer, messages) =>
      messages.some((message) => answer.includes(message)),
    );
  });

  for (const level of ['baseline', 'restricted'] as const) {
    it(`equal those of Pod Security Admission by ${level}`, async () => {
      const namespace = await box.namespace(level, { 'pod-security.kubernetes.io/enforce': level });
      const podSecurity = { enforce: level };
      const name = await box.profile(level, { mode: 'Audit', workloads: { podSecurity } });
      const stored = await box.readProfile(name);
      const profile: SegmentationProfile = { ...stored, spec: { ...stored.spec, mode: 'Enforce' } };
      await compare(profile, namespace, (answer) =>
        answer.includes(`violates PodSecurity "${level}:latest"`),
      );
    });
  }
});
