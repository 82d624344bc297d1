import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PolicyContentPool } from '../../../src/cluster-state/policies/content-pool.ts';
import { type PolicyItem, projectPolicy } from '../../../src/cluster-state/items.ts';
import { PolicyReader } from '../../../src/cluster-state/policies/reader.ts';
import { UNKNOWN_FIELDS } from '../../../src/kube/protobuf/decode.ts';
import { protobuf } from '../../../src/kube/protobuf/protobuf.ts';
import { WireError } from '../../../src/kube/protobuf/wire.ts';

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

/** A policy as the API server returns it. */
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

interface Read {
  readonly policy: object;
  /** True if the message was decoded, and not only compared. */
  readonly isDecoded: boolean;
}

/** Reads a policy from its message. */
function read(reader: PolicyReader, policy: object): Read {
  let isDecoded = false;
  const result = protobuf.decode(protobuf.encode(policy), (bytes, decode) =>
    reader.readObject(bytes, () => {
      isDecoded = true;
      return decode();
    }),
  );
  return { policy: result as object, isDecoded };
}

/** A reader that knows the content of the default policy. */
function taught(pool = new PolicyContentPool()): PolicyReader {
  const reader = new PolicyReader(pool);
  for (const namespace of ['one', 'two']) assert.ok(read(reader, written(namespace)).isDecoded);
  return reader;
}

describe('policy reader', () => {
  it('decodes the first two policies with one content, and compares the others', () => {
    const reader = taught();
    const policy = written('three', {
      managedFields: [{ ...HAND, time: '2027-11-12T13:14:15Z', fieldsV1: { 'f:spec': {} } }],
      creationTimestamp: '2027-11-12T13:14:15Z',
      generation: 4,
    });
    assert.equal(read(reader, policy).isDecoded, false);
  });

  it('returns for known content what decoding returns, without fields that nobody reads', () => {
    const { policy } = read(taught(), written('three', { uid: 'ff-3', resourceVersion: '99' }));
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
    ['a deletion', written('three', { deletionTimestamp: '2026-01-02T03:04:05Z' })],
    ['an unknown field', { ...written('three'), [UNKNOWN_FIELDS]: Buffer.from([0x7a, 0x01, 0x21]) }],
  ] as const) {
    it(`decodes a policy with ${what}`, () => {
      assert.equal(read(taught(), policy).isDecoded, true);
    });
  }

  it('rejects bytes that are no policy', () => {
    const bytes = protobuf.encode(written('three'));
    for (const length of [0, 3, 20, bytes.length - 9])
      assert.throws(() => protobuf.decode(bytes.subarray(0, length), taught().readObject), WireError);
  });

  it('forgets the bytes of a content with its last policy', () => {
    const pool = new PolicyContentPool();
    const reader = taught(pool);
    const { content } = projectPolicy(read(reader, written('three')).policy, pool);
    assert.ok(content !== undefined);
    pool.retain(content);
    pool.release(content);
    assert.equal(read(reader, written('three')).isDecoded, true);
  });

  it('returns for every policy what decoding returns, whatever came before', () => {
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
      fc.dictionary(fc.constantFrom('time', 'managedFields', 'spec', 'x'), text, { minKeys: 1, maxKeys: 2 }),
      {
        nil: undefined,
      },
    );
    const hand = fc.record({
      manager: text,
      time: fc.option(fc.constantFrom('2026-01-02T03:04:05Z', '2027-01-02T03:04:06Z'), {
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
          const pool = new PolicyContentPool();
          const reader = new PolicyReader(pool);
          for (const { pick, namespace, ...identity } of sights) {
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
            const { policy: result, isDecoded } = read(reader, policy);
            if (!isDecoded) compared += 1;
            const plain = projectPolicy(
              JSON.parse(JSON.stringify(policy)) as object,
              new PolicyContentPool(),
            );
            assert.deepEqual(factsOf(projectPolicy(result, pool)), factsOf(plain));
          }
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(compared > 300, `${compared} were compared`);
  });
});

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
