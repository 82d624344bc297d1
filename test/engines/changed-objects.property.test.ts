/** Plans from own objects that somebody has changed in any way that their kinds may take: they become what was written. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject } from '../../src/api/meta.ts';
import {
  ANNOTATION_DIGESTS,
  ANNOTATION_RULES,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_RULE,
  MANAGER,
} from '../../src/api/names.ts';
import { EXTENSION_ENGINES } from '../../src/engines/extensions/engines.ts';
import { planExtensions } from '../../src/engines/extensions/plan.ts';
import { planMutualTLS } from '../../src/engines/istio/mutual-tls.ts';
import { planAuthorization } from '../../src/engines/istio/overlay.ts';
import type { ObjectStep } from '../../src/engines/object-step.ts';
import { compile } from '../../src/policy/compile.ts';
import type { ExtensionPeer, ExtensionPolicy } from '../../src/policy/extensions.ts';
import { isRecord } from '../../src/util/is-record.ts';
import { facts, profile, runs, SHOP } from '../policy/fixture.ts';

type Specified = KubeObject & { readonly spec?: unknown };

const LABELS = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'segmented' };

/** Values of a schema that says nothing: other types than the written ones, and other fields. */
const leaf = fc.constantFrom<unknown>(undefined, null, 'x', 'all()', 7, true, [], {}, [{}], ['x'], [null]);
const other = fc.oneof(
  leaf,
  fc.dictionary(fc.constantFrom('from', 'source', 'operation', 'ports', 'x'), leaf),
);

/** Replaces the value at a path that the numbers choose. */
function replaced(value: unknown, path: readonly number[], by: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return by;
  if (Array.isArray(value) && value.length > 0) {
    const at = first % value.length;
    return value.map((each, index) => (index === at ? replaced(each, rest, by) : each));
  }
  if (!isRecord(value) || Object.keys(value).length === 0) return by;
  const names = Object.keys(value);
  const name = names[first % names.length] ?? '';
  return { ...value, [name]: replaced(value[name], rest, by) };
}

interface Change {
  readonly path: readonly number[];
  readonly by: unknown;
  /** The annotation that goes or changes as well. */
  readonly annotation: string | undefined;
  readonly text: string | undefined;
}

const change: fc.Arbitrary<Change> = fc.record({
  path: fc.array(fc.nat(9), { maxLength: 8 }),
  by: other,
  annotation: fc.constantFrom(undefined, ANNOTATION_DIGESTS, ANNOTATION_RULES),
  text: fc.constantFrom(undefined, '', '[', '[null]', 'null', '{}', '[{"rule":7}]', ','),
});

/** The object after the change, as the API server would return it. */
function changed(object: Specified, { path, by, annotation, text }: Change): KubeObject {
  const { annotations = {}, ...metadata } = object.metadata;
  const kept = Object.entries(annotations).filter(([name]) => name !== annotation);
  const own = {
    ...Object.fromEntries(kept),
    ...(annotation && text !== undefined && { [annotation]: text }),
  };
  const spec = replaced(object.spec, path, by);
  return JSON.parse(
    JSON.stringify({ ...object, spec, metadata: { ...metadata, annotations: own } }),
  ) as KubeObject;
}

function after(objects: readonly KubeObject[], steps: readonly ObjectStep[]): KubeObject[] {
  const stored = new Map(objects.map((each) => [each.metadata.name, each]));
  for (const step of steps)
    if (step.verb === 'delete') stored.delete(step.before.metadata.name);
    else stored.set(step.object.metadata.name, step.object);
  return [...stored.values()];
}

interface Plan {
  readonly widen: readonly ObjectStep[];
  readonly narrow: readonly ObjectStep[];
}

/** The objects once two plans were carried out, the second one after the first part of the first. */
function settled(
  observed: readonly KubeObject[],
  plan: (objects: readonly KubeObject[]) => Plan,
): KubeObject[] {
  const wide = after(observed, plan(observed).widen);
  const last = plan(wide);
  return after(wide, [...last.widen, ...last.narrow]);
}

/** An absent spec is an empty one, and so are absent annotations. */
const written = (objects: readonly Specified[]) =>
  objects
    .map(({ metadata: { name, annotations = {} }, spec }) => JSON.stringify([name, spec ?? {}, annotations]))
    .sort();

/** Changes of some objects, by their positions. */
const changes = fc.array(fc.tuple(fc.nat(9), change), { minLength: 1, maxLength: 3 });

function assertRestored(
  objects: readonly KubeObject[],
  plan: (objects: readonly KubeObject[]) => Plan,
): void {
  assert.ok(objects.length > 0);
  fc.assert(
    fc.property(changes, (list) => {
      const observed = [...objects];
      for (const [position, each] of list) {
        const at = position % observed.length;
        observed[at] = changed(observed[at] ?? { metadata: { name: '' } }, each);
      }
      const stored = settled(observed, plan);
      assert.deepEqual(written(stored), written(objects));
      assert.deepEqual(plan(stored), { ...plan(stored), widen: [], narrow: [] });
    }),
    { numRuns: runs(200) },
  );
}

const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.[LABEL_PROFILE];
const kept = new Set<string>();

describe('own objects that somebody has changed', () => {
  const account: ExtensionPeer = { kind: 'serviceAccount', namespace: 'front', name: 'web' };
  const dns = { namespace: 'kube-system', podSelector: {}, ports: [{ protocol: 'UDP' as const, port: 53 }] };
  const names: ExtensionPeer = { kind: 'names', names: ['a.example', '*.b.example'], dns };
  const policy = (rule: string, peer: ExtensionPeer): ExtensionPolicy => ({
    metadata: {
      name: `segmented.egress.${rule}`,
      namespace: 'shop',
      labels: { ...LABELS, [LABEL_RULE]: rule },
    },
    podSelector: { matchLabels: { app: rule } },
    direction: 'Egress',
    unresolved: [],
    rules: [{ peer, note: { rule, peer: 'peer' }, ports: [{ protocol: 'TCP', port: 443 }] }],
  });

  for (const engine of EXTENSION_ENGINES)
    it(`of ${engine.engine} are restored`, () => {
      const peer = engine.carries.has('names') ? names : account;
      const policies = [policy('web', peer), policy('db', peer)];
      const plan = (objects: readonly KubeObject[]) =>
        planExtensions(objects, policies, { engine, ownerOf, kept });
      assertRestored(settled([], plan), plan);
    });

  const asking = profile({
    ingress: [
      { name: 'web', podSelector: { matchLabels: { app: 'web' } }, from: [{ namespaces: ['front'] }] },
      { name: 'ops', from: [{ namespaces: ['ops'] }], ports: [{ protocol: 'TCP', port: 90 }] },
    ],
  });
  const { policies } = compile(asking, SHOP, facts());

  it('of an overlay are restored', () => {
    const identities = { trustDomain: 'shop.example', isInMesh: () => true };
    const desired = { policies, modes: new Map([['segmented', 'Enforce' as const]]), kept };
    const plan = (objects: readonly KubeObject[]) =>
      planAuthorization(objects, desired, { identities, ownerOf, meshWide: [] });
    assertRestored(settled([], plan), plan);
  });

  it('that ask for mutual TLS are restored', () => {
    const denies = policies.filter(({ metadata }) => metadata.name.endsWith('default-deny'));
    const desired = { denies, isPossible: true, kept };
    const plan = (objects: readonly KubeObject[]) => ({
      widen: [],
      narrow: planMutualTLS(objects, desired, { ownerOf }).steps,
    });
    assertRestored(settled([], plan), plan);
  });
});
