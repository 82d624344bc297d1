/**
 * Plans from objects of which an older definition hides a field, carried out after its upgrade: no rule is written that nobody
 * has asked for, such as one that has lost its peers.
 */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../src/api/meta.ts';
import type { PolicyType } from '../../src/api/network-policy.ts';
import { type ExtensionPlan, planExtensions } from '../../src/engines/extensions/plan.ts';
import type { ExtensionEngine } from '../../src/engines/extensions/engine.ts';
import { EXTENSION_ENGINES } from '../../src/engines/extensions/engines.ts';
import type { GuardForm } from '../../src/engines/guards/carrier.ts';
import { GUARD_CARRIERS } from '../../src/engines/guards/carriers.ts';
import { guardObject, writtenForm } from '../../src/engines/guards/objects.ts';
import { planGuard } from '../../src/engines/guards/plan.ts';
import { planAuthorization } from '../../src/engines/istio/overlay.ts';
import { compile } from '../../src/policy/compile.ts';
import type { ExtensionPeer, ExtensionPolicy } from '../../src/policy/extensions.ts';
import { isRecord } from '../../src/util/is-record.ts';
import { facts, profile, SHOP } from '../policy/fixture.ts';

type Specified = KubeObject & { readonly spec?: unknown };

/** The paths of all fields of a value, past lists, as a definition knows them. */
function pathsIn(value: unknown, path: readonly string[] = []): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => pathsIn(each, path));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([name, each]) => {
    const own = [...path, name];
    return [own.join('.'), ...pathsIn(each, own)];
  });
}

function without(value: unknown, path: string): unknown {
  if (Array.isArray(value)) return value.map((each) => without(each, path));
  if (!isRecord(value)) return value;
  const [first = '', ...rest] = path.split('.');
  const kept = Object.entries(value).filter(([name]) => name !== first || rest.length > 0);
  return Object.fromEntries(
    kept.map(([name, each]) => [name, name === first ? without(each, rest.join('.')) : each]),
  );
}

/** The object as definitions show it that lack one of its fields. */
function hiding(object: Specified): readonly [field: string, object: KubeObject][] {
  return [...new Set(pathsIn(object.spec))].map((path) => [
    path,
    { ...object, spec: without(object.spec, path) } as KubeObject,
  ]);
}

const specOf = ({ spec }: Specified) => spec;
const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.['segmentation.dev/profile'];
const LABELS = { 'app.kubernetes.io/managed-by': 'segmentation-operator', 'segmentation.dev/profile': 'p' };
const OLD = { rule: 'old', peer: 'old peer' };

describe('plan of extensions', () => {
  const peers: Readonly<Record<string, readonly [old: ExtensionPeer, next: ExtensionPeer]>> = {
    Cilium: [
      { kind: 'serviceAccount', namespace: 'front', name: 'web' },
      { kind: 'serviceAccount', namespace: 'shop', name: 'web' },
    ],
    Calico: [
      { kind: 'serviceAccount', namespace: 'front', name: 'web' },
      { kind: 'serviceAccount', namespace: 'shop', name: 'web' },
    ],
    GKE: [
      { kind: 'names', names: ['a.example'], dns: { namespace: 'kube-system', podSelector: {}, ports: [] } },
      { kind: 'names', names: ['b.example'], dns: { namespace: 'kube-system', podSelector: {}, ports: [] } },
    ],
  };
  const policy = (
    peer: ExtensionPeer | undefined,
    note: { rule: string; peer: string },
    unresolved: ExtensionPolicy['unresolved'] = [],
  ): ExtensionPolicy => ({
    metadata: { name: 'p.egress', namespace: 'shop', labels: LABELS },
    podSelector: { matchLabels: { app: 'web' } },
    direction: 'Egress',
    unresolved,
    rules: peer === undefined ? [] : [{ peer, note, ports: [{ protocol: 'TCP', port: 443 }] }],
  });
  const planned = (observed: readonly KubeObject[], wanted: ExtensionPolicy, engine: ExtensionEngine) =>
    planExtensions(observed, [wanted], { engine, ownerOf, kept: new Set() });
  const created = (wanted: ExtensionPolicy, engine: ExtensionEngine): KubeObject => {
    const [step] = planned([], wanted, engine).widen;
    assert.ok(step?.verb === 'create');
    return step.object;
  };
  const rulesIn = ({ widen, narrow }: ExtensionPlan, engine: ExtensionEngine) =>
    [...widen, ...narrow].flatMap((step) =>
      step.verb === 'delete'
        ? []
        : (engine.read(step.object)?.rules ?? []).map((rule) => JSON.stringify(rule)),
    );

  for (const engine of EXTENSION_ENGINES) {
    const [old, next] = peers[engine.engine] ?? [];
    const before = policy(old, OLD);
    const after = policy(next, { rule: 'new', peer: 'new peer' });

    it(`takes over no rule from a hidden form on ${engine.engine}`, () => {
      const object = created(before, engine);
      const meant = new Set(rulesIn(planned([object], after, engine), engine));
      for (const [field, hidden] of hiding(object))
        for (const rule of rulesIn(planned([hidden], after, engine), engine))
          assert.ok(meant.has(rule), `without ${field}: ${rule}`);
    });

    it(`leaves an object on ${engine.engine} of whose unresolved peer a field is hidden`, () => {
      const object = created(before, engine);
      const unresolved = policy(undefined, OLD, [OLD]);
      assert.deepEqual(planned([object], unresolved, engine), { widen: [], narrow: [] });
      for (const [field, hidden] of hiding(object)) {
        const { widen, narrow } = planned([hidden], unresolved, engine);
        // A field of the frame alone is restored.
        for (const step of [...widen, ...narrow])
          assert.deepEqual(step.verb === 'update' && specOf(step.object), specOf(object), `without ${field}`);
      }
    });
  }
});

describe('AuthorizationPolicies of an overlay', () => {
  const spec = (port: number): Parameters<typeof profile>[0] => ({
    isolation: ['Ingress'],
    ingress: [
      {
        name: 'web',
        podSelector: { matchLabels: { app: 'web' } },
        from: [
          { namespaces: ['front'] },
          { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.7/32'] } },
        ],
        ports: [{ protocol: 'TCP', port }],
      },
    ],
  });
  const identities = { trustDomain: 'shop.example', isInMesh: () => true };
  const planned = (observed: readonly KubeObject[], port: number) => {
    const { policies } = compile(profile(spec(port)), SHOP, facts());
    const desired = {
      policies,
      modes: new Map([['segmented', 'Enforce' as const]]),
      kept: new Set<string>(),
    };
    const { widen, narrow } = planAuthorization(observed, desired, { identities, ownerOf, meshWide: [] });
    return [...widen, ...narrow].flatMap((step) => (step.verb === 'delete' ? [] : [step.object]));
  };
  const rulesIn = (objects: readonly Specified[]) =>
    objects.flatMap((object) => {
      const { rules = [], selector } = specOf(object) as { rules?: readonly object[]; selector?: object };
      return rules.map((rule) => JSON.stringify([selector, rule]));
    });

  it('have no rule that only the hidden form of one has', () => {
    const objects = planned([], 8443).filter(({ metadata }) => !metadata.name.includes('transition'));
    const meant = new Set(rulesIn(planned(objects, 9443)));
    const [web] = objects.filter(({ metadata }) => metadata.name.endsWith('.web'));
    assert.ok(web);
    for (const [field, hidden] of hiding(web)) {
      const others = objects.filter((each) => each !== web);
      for (const rule of rulesIn(planned([...others, hidden], 9443)))
        assert.ok(meant.has(rule), `without ${field}: ${rule}`);
    }
  });
});

describe('the plan of a guard', () => {
  const subject = { matchLabels: { team: 'red' } };
  const formOf = (port: number, carrier: (typeof GUARD_CARRIERS)[number]): GuardForm => {
    const pass = {
      peer: { kind: 'pods' as const, namespaceSelector: { matchLabels: { name: 'front' } }, podSelector: {} },
      ports: [{ protocol: 'TCP' as const, from: port, to: port }],
      rules: ['web'],
    };
    const directions = (['Ingress', 'Egress'] as const).map((direction) => ({
      direction,
      passes: [pass],
      unresolved: [],
      podRanges: [],
    }));
    const made = carrier.compile({ profile: 'p', subject, directions });
    assert.ok(made.kind === 'compiled');
    return made.form;
  };
  const textsOf = (form: GuardForm | undefined) =>
    (['Ingress', 'Egress'] as PolicyType[]).flatMap((direction) =>
      (form?.rules[direction] ?? []).map((rule) => JSON.stringify([direction, { ...rule, name: undefined }])),
    );

  for (const carrier of GUARD_CARRIERS) {
    it(`takes over no pass from a hidden form of a ${carrier.kind}`, () => {
      const [old, next] = [formOf(8443, carrier), formOf(9443, carrier)];
      const identity = { name: 'p.guard', apiVersion: `${carrier.group}/${carrier.versions[0]}`, form: old };
      const object = guardObject(carrier.objectOf(old, 500), profile({}), identity);
      const meant = new Set([...textsOf(old), ...textsOf(next)]);
      for (const [field, hidden] of hiding(object)) {
        const read = carrier.read(hidden)?.form;
        if (read === undefined) continue;
        const { form, isWhole } = writtenForm(hidden, read);
        assert.equal(isWhole, false, field);
        const { widened } = planGuard(form, next, { unresolved: new Set(), carrier });
        for (const pass of textsOf(widened)) assert.ok(meant.has(pass), `without ${field}: ${pass}`);
      }
      assert.deepEqual(writtenForm(object, old), { form: old, isWhole: true });
    });
  }
});
