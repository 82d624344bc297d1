import assert from 'node:assert/strict';
import { differenceOf, differenceText, unknownFields } from '../../../src/controller/engines/stored-form.ts';

const object = (spec: object, name = 'p.egress') => ({ metadata: { name }, spec });
const KIND = { plural: 'ciliumnetworkpolicies', since: 'Cilium 1.16' };
const RULE = { toFQDNs: [{ matchName: 'a.example.com' }], toPorts: [] };
const SENT = object({ egress: [RULE] });

describe('difference of a stored object', () => {
  it('is none for the same spec in another order, whatever else is stored', () => {
    const reversed = Object.fromEntries(Object.entries(RULE).toReversed());
    const stored = { ...object({ egress: [reversed] }), status: {} };
    assert.equal(differenceOf(stored, SENT), undefined);
  });

  it('names the fields that were lost, and says to upgrade the CRD', () => {
    const difference = differenceOf(object({ egress: [{ toPorts: [] }] }), SENT);
    assert.deepEqual(difference, { lost: ['spec.egress[0].toFQDNs'], changed: [] });
    assert.equal(
      differenceText(difference, KIND),
      'the CRD of ciliumnetworkpolicies lacks fields that are written (spec.egress[0].toFQDNs): upgrade it (Cilium 1.16 or later)',
    );
  });

  it('names the fields that were added or changed, and does not say that some are lacking', () => {
    const stored = object({ ...SENT.spec, description: 'default' }, 'tier.p.egress');
    const difference = differenceOf(stored, SENT);
    assert.deepEqual(difference, { lost: [], changed: ['metadata.name', 'spec.description'] });
    const text = differenceText(difference, KIND);
    assert.match(
      text,
      /in another form than they are written, with another metadata\.name, spec\.description/,
    );
    assert.doesNotMatch(text, /lacks/);
  });

  it('is of the field that a strict refusal names', () => {
    const message =
      'strict decoding error: unknown field "spec.egress[0].toFQDNs", unknown field "spec.enableDefaultDeny"';
    assert.deepEqual(unknownFields(message), ['spec.egress[0].toFQDNs', 'spec.enableDefaultDeny']);
    assert.match(differenceText({ lost: [], changed: [] }, KIND), /lacks fields that are written: upgrade/);
  });
});
