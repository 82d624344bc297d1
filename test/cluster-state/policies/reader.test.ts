import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { PolicyContentPool, SharedPolicy } from '../../../src/cluster-state/policies/content-pool.ts';
import type { PolicyItem } from '../../../src/cluster-state/items.ts';
import { PolicyReader } from '../../../src/cluster-state/policies/reader.ts';

const DENY = { podSelector: {}, policyTypes: ['Ingress'] };
const HAND = {
  manager: 'segmentation-operator',
  operation: 'Update',
  apiVersion: 'networking.k8s.io/v1',
  time: '2026-01-02T03:04:05Z',
  fieldsType: 'FieldsV1',
  fieldsV1: { 'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } }, 'f:spec': { 'f:policyTypes': {} } },
};
const OURS = { 'app.kubernetes.io/managed-by': 'segmentation-operator', 'segmentation.dev/profile': 'shop' };

/** A policy with its fields in the order of their Go types, as the API server writes them. */
function written(namespace: string, more: Record<string, unknown> = {}, spec: object = DENY): object {
  const { name = 'shop.default-deny', uid = `0a1b-${namespace}`, resourceVersion = '71', ...others } = more;
  const { managedFields = [HAND], ...rest } = others;
  return {
    kind: 'NetworkPolicy',
    apiVersion: 'networking.k8s.io/v1',
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      generation: 1,
      creationTimestamp: '2026-01-02T03:04:05Z',
      labels: OURS,
      ...rest,
      managedFields,
    },
    spec,
  };
}

const answer = (policy: object) => `${JSON.stringify(policy)}\n`;
const event = (policy: object, type = 'ADDED') => JSON.stringify({ type, object: policy });

/** The result of reading a text, and whether it was parsed for that. */
function read(reader: PolicyReader, text: string): { readonly item: PolicyItem; readonly parsed: boolean } {
  const value = reader.parse(text) as { readonly object?: NetworkPolicy };
  const policy = value.object ?? (value as unknown as NetworkPolicy);
  return { item: reader.project(policy), parsed: !(policy instanceof SharedPolicy) };
}

/** A reader that knows what the default policy holds. */
function taught(pool = new PolicyContentPool()): PolicyReader {
  const reader = new PolicyReader(pool);
  for (const namespace of ['one', 'two']) assert.ok(read(reader, answer(written(namespace))).parsed);
  return reader;
}

describe('policy reader', () => {
  it('parses the first two policies with one content, and compares the others', () => {
    const reader = taught();
    const policy = written('three', {
      managedFields: [{ ...HAND, time: '2027-11-12T13:14:15Z' }],
      creationTimestamp: '2027-11-12T13:14:15Z',
      generation: 4,
    });
    for (const text of [answer(policy), event(policy), event(policy, 'MODIFIED')])
      assert.equal(read(reader, text).parsed, false);
  });

  it('returns for known JSON what parsing returns, without fields that nobody reads', () => {
    const policy = reader(taught(), event(written('three', { uid: 'ff-3', resourceVersion: '99' })));
    assert.deepEqual(JSON.parse(JSON.stringify(policy)), {
      metadata: {
        name: 'shop.default-deny',
        namespace: 'three',
        uid: 'ff-3',
        resourceVersion: '99',
        labels: OURS,
        managedFields: [{ manager: 'segmentation-operator' }],
      },
      spec: DENY,
    });
  });

  for (const [what, policy] of [
    ['another specification', written('three', {}, { podSelector: {}, policyTypes: ['Egress'] })],
    [
      'another specification of the same length',
      written('three', {}, { podSelector: {}, policyTypes: ['ingresS'] }),
    ],
    ['another label', written('three', { labels: { ...OURS, team: 'a' } })],
    ['no labels', written('three', { labels: undefined })],
    ['another owner', written('three', { ownerReferences: [{ kind: 'Pod', name: 'p', uid: 'u' }] })],
    ['another manager', written('three', { managedFields: [{ ...HAND, manager: 'segmentation-operatoR' }] })],
    ['a second manager', written('three', { managedFields: [HAND, { ...HAND, manager: 'kubectl' }] })],
    [
      'a deletion',
      written('three', { labels: undefined, deletionTimestamp: '2026-01-02T03:04:05Z', labels2: OURS }),
    ],
    ['a name with an escape', written('three', { name: 'a"b' })],
  ] as const) {
    it(`parses JSON with ${what}`, () => {
      assert.equal(read(taught(), answer(policy)).parsed, true);
      assert.equal(read(taught(), event(policy)).parsed, true);
    });
  }

  it('parses JSON that is no policy, and rejects text that is no JSON', () => {
    const bookmark =
      '{"type":"BOOKMARK","object":{"kind":"NetworkPolicy","metadata":{"resourceVersion":"8"}}}';
    assert.deepEqual(taught().parse(bookmark), JSON.parse(bookmark));
    const deleted = event(written('three'), 'DELETED');
    assert.deepEqual(taught().parse(deleted), JSON.parse(deleted));
    for (const text of ['', 'x', answer(written('three')).slice(0, -9), `${event(written('three'))}}`])
      assert.throws(() => taught().parse(text), SyntaxError);
  });

  it('does not mistake a label or an annotation for a time', () => {
    const times = { time: '2026-01-02T03:04:05Z' };
    const texts = ['one', 'two'].map((namespace) => answer(written(namespace, { annotations: times })));
    const reader = new PolicyReader(new PolicyContentPool());
    for (const text of texts) read(reader, text);
    assert.equal(read(reader, texts[0] ?? '').parsed, false);
    const other = { time: '2027-01-02T03:04:05Z' };
    assert.equal(read(reader, answer(written('one', { annotations: other }))).parsed, true);
  });

  it('forgets the pattern of a content with its last policy', () => {
    const pool = new PolicyContentPool();
    const reader = taught(pool);
    const { item } = read(reader, answer(written('three')));
    assert.ok(item.content !== undefined);
    pool.retain(item.content);
    pool.release(item.content);
    assert.equal(read(reader, answer(written('three'))).parsed, true);
  });

  it('returns for every policy what parsing returns, whatever came before', () => {
    const spec = fc.constantFrom<object>(
      DENY,
      { podSelector: {}, policyTypes: ['ingresS'] },
      { podSelector: { matchLabels: { app: 'a' } }, policyTypes: ['Ingress'], ingress: [{}] },
      {
        podSelector: {},
        ingress: [
          { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ns-1' } } }] },
        ],
      },
    );
    const text = fc.constantFrom(
      'a',
      'b',
      '"time":"2026-01-02T03:04:05Z"',
      '},"spec":{',
      ',"managedFields":[',
      '}]},"spec":{',
      'ä\\',
    );
    const strings = fc.option(
      fc.dictionary(fc.constantFrom('time', 'managedFields', 'spec', 'x'), text, { maxKeys: 2 }),
      {
        nil: undefined,
      },
    );
    const hand = fc.record({
      manager: text,
      time: fc.option(fc.constantFrom('2026-01-02T03:04:05Z', '2027-01-02T03:04:06Z', 'soon'), {
        nil: undefined,
      }),
      fieldsV1: fc.constantFrom({}, { 'f:spec': {} }),
    });
    const content = fc.record({
      ours: fc.boolean(),
      labels: strings,
      annotations: strings,
      managedFields: fc.array(hand, { maxLength: 2 }),
      spec,
    });
    const sight = fc.record({
      pick: fc.nat(),
      namespace: fc.constantFrom('ns-1', 'ns-2', 'ns-3'),
      name: fc.constantFrom('a', 'b.c'),
      resourceVersion: fc.integer({ min: 1, max: 99 }).map(String),
      asEvent: fc.boolean(),
    });
    let compared = 0;
    fc.assert(
      fc.property(
        fc.array(content, { minLength: 1, maxLength: 2 }),
        // Few contents, so that most come again, and alike, so that they are as long as others.
        fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
        fc.array(sight, { maxLength: 30 }),
        (bases, teams, sights) => {
          const contents = bases.flatMap((base) =>
            teams.map((team) => ({ ...base, labels: { ...base.labels, team } })),
          );
          const reader = new PolicyReader(new PolicyContentPool());
          for (const { pick, namespace, asEvent, ...identity } of sights) {
            const {
              ours,
              labels,
              annotations,
              managedFields,
              spec: of,
            } = contents[pick % contents.length] as (typeof contents)[number];
            const more = {
              ...identity,
              labels: { ...labels, ...(ours && OURS) },
              annotations,
              managedFields,
            };
            const policy = written(namespace, more, of);
            const { item, parsed } = read(reader, asEvent ? event(policy) : answer(policy));
            if (!parsed) compared += 1;
            const plain = new PolicyReader(new PolicyContentPool()).project(
              JSON.parse(JSON.stringify(policy)) as object,
            );
            assert.deepEqual(factsOf(item), factsOf(plain));
          }
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(compared > 300, `${compared} were compared`);
  });
});

function reader(of: PolicyReader, text: string): unknown {
  return (of.parse(text) as { readonly object: unknown }).object;
}

function factsOf(item: PolicyItem): unknown {
  const {
    key,
    namespace,
    name,
    uid,
    resourceVersion,
    peerScopes,
    profile,
    ownerUids,
    fingerprint,
    isPartial,
  } = item;
  const { content, reliesOn } = item;
  return {
    key,
    namespace,
    name,
    uid,
    resourceVersion,
    peerScopes,
    profile,
    ownerUids,
    fingerprint,
    isPartial,
    reliesOn,
    content,
  };
}
