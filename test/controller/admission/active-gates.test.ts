/** The gates that the API server may be acting on, and the default-denies that they hold. */
import assert from 'node:assert/strict';
import type { NamespaceItem } from '../../../src/cluster-state/items.ts';
import { ActiveGates } from '../../../src/controller/admission/active-gates.ts';
import type { AdmissionBinding } from '../../../src/policy/admission/binding.ts';
import { gateOf } from '../../../src/policy/admission/gate.ts';
import { protectionOf } from '../../../src/policy/admission/protect.ts';
import { profile } from '../../policy/fixture.ts';

const namespace = (team: string): NamespaceItem => ({
  key: team,
  name: team,
  uid: '1',
  resourceVersion: '1',
  labels: { team },
  terminating: false,
});
const strict = (team: string) => profile({ namespaceSelector: { matchLabels: { team } } });
const NAME = strict('a').metadata.name;
const gate = (team: string): AdmissionBinding => {
  const made = gateOf(strict(team), [], [], undefined);
  assert.ok(made.kind === 'bound');
  return made.binding;
};

describe('active gates', () => {
  let released: string[];
  let gates: ActiveGates;

  beforeEach(() => {
    released = [];
    gates = new ActiveGates((each) => released.push(each));
  });

  it('hold every default-deny before the bindings were read, and release it then', () => {
    assert.equal(gates.holds(NAME, namespace('a')), true);
    gates.markRead();
    assert.deepEqual(released, ['a']);
    assert.equal(gates.holds(NAME, namespace('a')), false);
  });

  it('hold the default-deny of a namespace that the gate selects now or selected before, until they are replaced', () => {
    gates.add(gate('a'));
    gates.add(gate('b'));
    gates.markRead();
    assert.deepEqual(
      ['a', 'b', 'c'].map((team) => gates.holds(NAME, namespace(team))),
      [true, true, false],
    );
    gates.replace([gate('b')]);
    assert.deepEqual(released, ['a', 'b']);
    assert.equal(gates.holds(NAME, namespace('a')), false);
    assert.equal(gates.holds(NAME, namespace('b')), true);
    gates.replace([]);
    assert.equal(gates.isEmpty, true);
  });

  it('hold no default-deny of another profile, or for a binding that is no gate', () => {
    gates.add(gate('a'));
    gates.add({ ...protectionOf(strict('b')) });
    gates.markRead();
    assert.equal(gates.holds('another', namespace('a')), false);
    assert.equal(gates.holds(NAME, namespace('b')), false);
  });
});
