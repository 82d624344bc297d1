import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { PolicyType } from '../../../src/api/network-policy.ts';
import { CILIUM_EXTENSIONS } from '../../../src/engines/cilium/extensions.ts';
import { type ExtensionPlan, planExtensions } from '../../../src/engines/extensions/plan.ts';
import type { ExtensionPolicy, ExtensionRule } from '../../../src/policy/extensions.ts';

type Spec = { readonly egress: readonly { readonly toEntities: readonly string[] }[] };

const API: ExtensionRule = {
  peer: { kind: 'kubeAPIServer' },
  note: { rule: 'api', peer: 'entity KubeAPIServer' },
};
const NODES: ExtensionRule = { peer: { kind: 'nodes' }, note: { rule: 'nodes', peer: 'entity Nodes' } };

const desired = (rules: readonly ExtensionRule[], rest: Partial<ExtensionPolicy> = {}): ExtensionPolicy => ({
  metadata: {
    name: 'p.egress',
    namespace: 'shop',
    labels: { 'app.kubernetes.io/managed-by': 'segmentation-operator', 'segmentation.dev/profile': 'p' },
    ownerReferences: [
      { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile', name: 'p', uid: 'u' },
    ],
  },
  podSelector: {},
  direction: 'Egress',
  unresolved: [],
  rules,
  ...rest,
});

const planFrom = (
  observed: readonly KubeObject[],
  wanted: readonly ExtensionPolicy[],
  kept: readonly string[] = [],
  staying: readonly PolicyType[] = [],
): ExtensionPlan =>
  planExtensions(observed, wanted, {
    engine: CILIUM_EXTENSIONS,
    ownerOf: ({ metadata }) => metadata.labels?.['segmentation.dev/profile'],
    kept: new Set(kept),
    staying,
  });

/** The object that the operator would have created. */
function created(rules: readonly ExtensionRule[]): KubeObject {
  const [step] = planFrom([], [desired(rules)]).widen;
  assert.ok(step?.verb === 'create');
  return { ...step.object, metadata: { ...step.object.metadata, uid: 'o', resourceVersion: '1' } };
}

const entities = (object: KubeObject) =>
  (object as unknown as { spec: Spec }).spec.egress.flatMap(({ toEntities }) => toEntities);
const text = ({ widen, narrow }: ExtensionPlan) =>
  [widen, narrow].map((steps) =>
    steps.map((step) =>
      step.verb === 'delete' ? 'delete' : `${step.verb} ${entities(step.object).sort().join()}`,
    ),
  );

describe('plan of extensions', () => {
  it('is empty for the objects that it created, with the metadata of others and in any order of keys', () => {
    const object = created([API, NODES]);
    const labels = { ...object.metadata.labels, team: 'red' };
    const { spec } = object as unknown as { spec: object };
    const shuffled = Object.fromEntries(Object.entries(spec).toReversed());
    const stored = { ...object, spec: shuffled, metadata: { ...object.metadata, labels } } as KubeObject;
    assert.deepEqual(text(planFrom([stored], [desired([NODES, API])])), [[], []]);
  });

  it('adds before the NetworkPolicies change, and removes after', () => {
    assert.deepEqual(text(planFrom([], [desired([API])])), [['create kube-apiserver'], []]);
    assert.deepEqual(text(planFrom([created([API])], [])), [[], ['delete']]);
    assert.deepEqual(text(planFrom([created([API])], [desired([API, NODES])])), [
      ['update host,kube-apiserver,remote-node'],
      [],
    ]);
    assert.deepEqual(text(planFrom([created([API, NODES])], [desired([API])])), [
      [],
      ['update kube-apiserver'],
    ]);
  });

  it('updates an object that gains and loses to its union first', () => {
    assert.deepEqual(text(planFrom([created([API])], [desired([NODES])])), [
      ['update host,kube-apiserver,remote-node'],
      ['update host,remote-node'],
    ]);
  });

  it('keeps the last known rules of an unresolved peer, and no others', () => {
    const unresolved = [{ rule: 'api', peer: 'entity KubeAPIServer' }];
    assert.deepEqual(text(planFrom([created([API, NODES])], [desired([NODES], { unresolved })])), [[], []]);
    assert.deepEqual(text(planFrom([created([API, NODES])], [desired([], { unresolved })])), [
      [],
      ['update kube-apiserver'],
    ]);
    assert.deepEqual(text(planFrom([], [desired([], { unresolved })])), [[], []]);
  });

  it('repairs an object that denies or isolates, whatever its rules are', () => {
    const object = created([API]) as KubeObject & { spec: Spec };
    for (const change of [
      { enableDefaultDeny: { egress: true } },
      { egressDeny: [{ toEntities: ['world'] }] },
      { ingress: [{ fromEntities: ['all'] }] },
    ]) {
      const changed = { ...object, spec: { ...object.spec, ...change } };
      assert.deepEqual(text(planFrom([changed], [desired([API])])), [['update kube-apiserver'], []]);
    }
  });

  it('leaves desired objects as they are while the kind can not be written, and deletes unwanted ones', () => {
    const unresolved = [{ rule: 'api', peer: 'entity KubeAPIServer' }];
    const object = created([API]) as KubeObject & { spec: Spec & { readonly enableDefaultDeny?: object } };
    const { enableDefaultDeny: _, ...spec } = object.spec;
    const context = {
      engine: CILIUM_EXTENSIONS,
      ownerOf: ({ metadata }: KubeObject) => metadata.labels?.['segmentation.dev/profile'],
      kept: new Set<string>(),
      isWritable: false,
    };
    const older = { ...object, spec } as KubeObject;
    const left = { ...object, metadata: { ...object.metadata, name: 'p.egress.other' } };
    assert.deepEqual(planExtensions([older, left], [desired([], { unresolved })], context), {
      widen: [],
      narrow: [{ verb: 'delete', before: left }],
    });
  });

  it('gives objects that stay as they are their labels back, and nothing else', () => {
    const object = created([API]);
    assert.deepEqual(planFrom([object], [], ['p']), { widen: [], narrow: [] });
    const { labels, ...metadata } = object.metadata;
    const before = { ...object, metadata };
    const plan = planExtensions([before], [], {
      engine: CILIUM_EXTENSIONS,
      ownerOf: () => 'p',
      kept: new Set(['p']),
    });
    assert.deepEqual(plan, {
      widen: [],
      narrow: [{ verb: 'update', before, object: { ...object, metadata: { ...metadata, labels } } }],
    });
  });

  it('leaves foreign objects, and takes another name beside one with its own', () => {
    const foreign: KubeObject = { metadata: { name: 'p.egress', namespace: 'shop' } };
    const { widen, narrow } = planFrom([foreign], [desired([API])]);
    const [step] = widen;
    assert.ok(step?.verb === 'create' && widen.length === 1);
    assert.match(step.object.metadata.name, /^p\.alternative\.[0-9a-f]{12}$/);
    assert.deepEqual(narrow, []);
    assert.deepEqual(planFrom([foreign], []), { widen: [], narrow: [] });
  });

  it('keeps the last known rules of an object that gets another name', () => {
    const foreign: KubeObject = { metadata: { name: 'p.egress', namespace: 'shop' } };
    const [alternative] = planFrom([foreign], [desired([API, NODES])]).widen;
    const podSelector = { matchLabels: { app: 'web' } };
    const metadata = { ...desired([]).metadata, name: 'p.egress.web' };
    const [ofOtherPods] = planFrom([], [desired([API, NODES], { metadata, podSelector })]).widen;
    const unresolved = [{ rule: 'api', peer: 'entity KubeAPIServer' }];
    const wanted = [desired([NODES], { unresolved })];
    for (const step of [alternative, ofOtherPods]) {
      assert.ok(step?.verb === 'create');
      const standing = { ...step.object, metadata: { ...step.object.metadata, uid: 'o' } };
      const { widen, narrow } = planFrom([standing], wanted);
      assert.deepEqual(text({ widen, narrow }), [['create host,kube-apiserver,remote-node'], ['delete']]);
      assert.equal(widen[0]?.verb === 'create' && widen[0].object.metadata.name, 'p.egress');
      assert.deepEqual(text(planFrom([created([NODES, API]), standing], wanted)), [[], ['delete']]);
      // A rule that somebody has changed has no last known form: the object stays as it is.
      const { spec } = standing as unknown as { spec: Spec };
      const changed = { ...standing, spec: { ...spec, egress: [{ toEntities: ['all'] }] } };
      assert.deepEqual(text(planFrom([changed as KubeObject], wanted)), [[], []]);
    }
  });

  it('takes over no rules of the other direction, and of no desired object', () => {
    const unresolved = [{ rule: 'api', peer: 'entity KubeAPIServer' }];
    const ingress = { ...desired([API], { direction: 'Ingress' as const }) };
    const metadata = { ...ingress.metadata, name: 'p.ingress' };
    const [step] = planFrom([], [{ ...ingress, metadata }]).widen;
    assert.ok(step?.verb === 'create');
    assert.deepEqual(planFrom([step.object], [desired([], { unresolved })]), {
      widen: [],
      narrow: [{ verb: 'delete', before: step.object }],
    });
    const other = desired([], { unresolved, metadata: { ...ingress.metadata, name: 'p.egress.web' } });
    assert.deepEqual(text(planFrom([created([API])], [other, desired([API])])), [[], []]);
  });

  it('deletes nothing under an alternative name while the kind can not be written', () => {
    const foreign: KubeObject = { metadata: { name: 'p.egress', namespace: 'shop' } };
    const [step] = planFrom([foreign], [desired([API])]).widen;
    assert.ok(step?.verb === 'create');
    const context = {
      engine: CILIUM_EXTENSIONS,
      ownerOf: ({ metadata }: KubeObject) => metadata.labels?.['segmentation.dev/profile'],
      kept: new Set<string>(),
      isWritable: false,
    };
    assert.deepEqual(planExtensions([step.object], [desired([API])], context), { widen: [], narrow: [] });
  });

  it('deletes the object of an exception that is over while its profile is kept, and no other', () => {
    const ofException = (name: string) => {
      const object = created([API]);
      const labels = { ...object.metadata.labels, 'segmentation.dev/exception': name };
      return { ...object, metadata: { ...object.metadata, name: `p.exception.${name}.egress`, labels } };
    };
    const [over, goingOn] = [ofException('over'), ofException('going-on')];
    const wanted = ['going-on', 'new'].map((name) =>
      desired([API], { metadata: ofException(name).metadata }),
    );
    assert.deepEqual(planFrom([created([API]), over, goingOn], wanted, ['p']), {
      widen: [],
      narrow: [{ verb: 'delete', before: over }],
    });
  });

  it('leaves the objects of profiles that are kept', () => {
    assert.deepEqual(planFrom([created([API])], [], ['p']), { widen: [], narrow: [] });
    assert.deepEqual(planFrom([created([API])], [desired([NODES])], ['p']), { widen: [], narrow: [] });
  });

  it('deletes no object of a direction whose opening is delayed', () => {
    assert.deepEqual(text(planFrom([created([API])], [], [], ['Egress'])), [[], []]);
    assert.deepEqual(text(planFrom([created([API])], [], [], ['Ingress'])), [[], ['delete']]);
  });
});
