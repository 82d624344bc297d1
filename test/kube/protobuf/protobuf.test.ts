import assert from 'node:assert/strict';
import fc from 'fast-check';
import { UNKNOWN_FIELDS } from '../../../src/kube/protobuf/decode.ts';
import { protobuf } from '../../../src/kube/protobuf/protobuf.ts';
import { messageOf } from '../../../src/kube/protobuf/schema.ts';
import { Fields, WireError } from '../../../src/kube/protobuf/wire.ts';
import { Writer } from '../../../src/kube/protobuf/writer.ts';
import { RICH_NODE, RICH_POD } from '../../integration/kube/rich-objects.ts';
import { KINDS_UNDER_TEST } from '../../manifests/objects.ts';
import { encodeAnswer, encodeEvent } from '../../support/protobuf.ts';

const roundTrip = (object: object) => protobuf.decode(protobuf.encode(object));

const lease = (spec: object) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'a', namespace: 'b' },
  spec,
});

describe('Protocol Buffers', () => {
  it('cover the built-in kinds that are read or written often, and no subresources', () => {
    const paths = {
      '/api/v1/namespaces': true,
      '/api/v1/namespaces/shop': true,
      '/api/v1/namespaces/shop/pods': true,
      '/api/v1/namespaces/shop/services/web': true,
      '/apis/networking.k8s.io/v1/networkpolicies': true,
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/a.b': true,
      '/apis/coordination.k8s.io/v1/namespaces/shop/leases/a': true,
      '/api/v1/namespaces/shop/status': false,
      '/api/v1/namespaces/shop/serviceaccounts/a/token': false,
      '/api/v1/namespaces/shop/pods/a/log': false,
      '/apis/segmentation.dev/v1alpha1/segmentationprofiles': false,
      '/apis/networking.k8s.io/v1beta1/servicecidrs': false,
      '/apis/example.org/v1/networkpolicies': false,
      '/version': false,
    };
    for (const [path, isCovered] of Object.entries(paths))
      assert.equal(protobuf.covers(path), isCovered, path);
  });

  it('return every generated object as it was written', () => {
    const kinds = ['NetworkPolicy', 'Service', 'Namespace', 'EndpointSlice'];
    for (const { valid } of KINDS_UNDER_TEST.filter(({ kind }) => kinds.includes(kind)))
      fc.assert(
        fc.property(valid, (object) => {
          const bytes = protobuf.encode(object);
          // Defaults that an absent field has in Go are there after the first round, and stay.
          const read = protobuf.decode(bytes) as object;
          assert.deepEqual(roundTrip(read), read);
          assertContains(read, object);
        }),
      );
  });

  it('return Pods and Nodes with fields of every type', () => {
    for (const object of [RICH_POD, RICH_NODE]) assertContains(roundTrip(object), object);
  });

  it('have numbers of any size and sign', () => {
    for (const value of [
      0,
      1,
      127,
      128,
      2 ** 31,
      -1,
      -(2 ** 31),
      2 ** 40,
      -(2 ** 52),
      Number.MAX_SAFE_INTEGER,
    ])
      assert.deepEqual(
        roundTrip(lease({ leaseDurationSeconds: value })),
        lease({ leaseDurationSeconds: value }),
      );
  });

  it('have times to the microsecond, before and after 1970', () => {
    for (const time of [
      '2026-11-29T23:59:59.000001Z',
      '1969-12-31T23:59:58.999999Z',
      '2026-01-01T00:00:00.000000Z',
    ])
      assert.deepEqual(roundTrip(lease({ renewTime: time })), lease({ renewTime: time }));
    assert.deepEqual(
      roundTrip(lease({ renewTime: '2026-11-30T01:00:00.5+01:00' })),
      lease({ renewTime: '2026-11-30T00:00:00.500000Z' }),
    );
  });

  it('have labels and annotations in any script, and keys that objects of JavaScript treat in another way', () => {
    const map = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(map, (annotations) => {
        const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a', annotations } };
        const { metadata } = roundTrip(object) as typeof object;
        assert.deepEqual({ ...metadata.annotations }, annotations);
      }),
    );
    const odd = JSON.parse(
      '{"apiVersion":"v1","kind":"Namespace","metadata":{"labels":{"__proto__":"x"}}}',
    ) as object;
    assert.match(JSON.stringify(roundTrip(odd)), /"labels":\{"__proto__":"x"\}/);
  });

  it('keep unknown fields of an object that is changed and written back', () => {
    const writer = new Writer();
    writer.textField(99, 'later');
    const unknown = writer.take();
    const spec = { holderIdentity: 'a', [UNKNOWN_FIELDS]: unknown };
    const read = roundTrip(lease(spec)) as { readonly spec: object };
    const changed = roundTrip({ ...read, spec: { ...read.spec, holderIdentity: 'b' } });
    assert.deepEqual(changed, lease({ ...spec, holderIdentity: 'b' }));
  });

  it('refuse a field or value that the kind does not have', () => {
    assert.throws(
      () => protobuf.encode(lease({ holder: 'a' })),
      /coordination\.v1\.LeaseSpec has no field holder/,
    );
    assert.throws(() => protobuf.encode(lease({ holderIdentity: 1 })), /1 is no string/);
    assert.throws(() => protobuf.encode(lease({ leaseDurationSeconds: 1.5 })), /1\.5 is no whole number/);
    assert.throws(() => protobuf.encode(lease({ renewTime: 'soon' })), /"soon" is no time/);
    assert.throws(() => protobuf.encode({ apiVersion: 'a/v1', kind: 'B' }), /a\/v1 B has no known message/);
    // The next object is written all the same.
    assert.deepEqual(roundTrip(lease({ holderIdentity: 'a' })), lease({ holderIdentity: 'a' }));
  });

  it('never return bytes that are cut off as an object with a name', () => {
    const bytes = protobuf.encode(RICH_POD);
    for (let length = 0; length < bytes.length; length++)
      assert.throws(() => protobuf.decode(bytes.subarray(0, length)), WireError);
  });

  it('fail with an error for any bytes that are no message, and never hang', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (noise, seed) => {
        const bytes = Buffer.from(protobuf.encode(RICH_NODE));
        const at = seed % bytes.length;
        bytes.set(noise.subarray(0, bytes.length - at), at);
        try {
          protobuf.decode(bytes);
        } catch (error) {
          assert.ok(error instanceof WireError || error instanceof SyntaxError, String(error));
        }
      }),
    );
  });

  it('return lists, events and failures as JSON has them', () => {
    const item = { metadata: { name: 'a', namespace: 'b' }, spec: {} };
    const list = { apiVersion: 'coordination.k8s.io/v1', kind: 'LeaseList', metadata: { continue: 'x' } };
    assert.deepEqual(protobuf.decode(encodeAnswer({ ...list, items: [item, item] })), {
      ...list,
      items: [item, item],
    });
    assert.deepEqual(protobuf.decode(encodeAnswer({ ...list, items: [] })), { ...list, items: [] });
    const event = { type: 'ADDED', object: lease({ holderIdentity: 'a' }) };
    assert.deepEqual(protobuf.decodeEvent(encodeEvent(event)), event);
    const details = { name: 'a', kind: 'leases', causes: [{ reason: 'R', message: 'm', field: 'f' }] };
    const status = { status: 'Failure', message: 'm', reason: 'Expired', details, code: 410 };
    const failure = { apiVersion: 'v1', kind: 'Status', metadata: {}, ...status };
    assert.deepEqual(protobuf.decodeEvent(encodeEvent({ type: 'ERROR', object: failure })), {
      type: 'ERROR',
      object: failure,
    });
  });

  it('have a message for every type of field in the table', () => {
    for (const name of ['networking.v1.NetworkPolicy', 'core.v1.Pod', 'core.v1.Node', 'meta.v1.Status'])
      assert.equal(messageOf(name)?.name, name);
    assert.equal(messageOf('constructor'), undefined);
  });
});

describe('the fields of a message', () => {
  it('are read and skipped for every type of the format', () => {
    const bytes = Buffer.from([
      0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4, 0x22, 1, 0x61,
    ]);
    const fields = new Fields(bytes);
    const read: [number, number][] = [];
    while (fields.next()) read.push([fields.number, fields.to - fields.from]);
    assert.deepEqual(read, [
      [1, 2],
      [2, 8],
      [3, 4],
      [4, 1],
    ]);
  });

  it('are refused with a type of groups, or a value of another type', () => {
    assert.throws(() => new Fields(Buffer.from([0x0b])).next(), WireError);
    const fields = new Fields(Buffer.from([0x08, 1]));
    assert.ok(fields.next());
    assert.throws(() => fields.text(), WireError);
    assert.throws(() => fields.message(), WireError);
  });
});

/** Asserts that `object` has all that `part` has; empty lists and maps are absent in messages. */
function assertContains(object: unknown, part: unknown, path = ''): void {
  if (typeof part !== 'object' || part === null) return assert.deepEqual(object, part, path);
  for (const [key, value] of Object.entries(part)) {
    const isEmpty =
      value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0);
    const found = (object as Record<string, unknown> | undefined)?.[key];
    if (isEmpty && (found === undefined || found === null)) continue;
    assertContains(found, /^(cpu|memory)$/.test(key) ? String(value) : value, `${path}.${key}`);
  }
}
