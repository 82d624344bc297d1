/** The facts of named ServiceAccounts: when they are kept, dropped, and told of. */
import assert from 'node:assert/strict';
import { NamedAccounts } from '../../../src/controller/service-accounts/named-accounts.ts';
import { profile } from '../../policy/fixture.ts';

const API = { namespace: 'data', name: 'api' };
const naming = profile({ ingress: [{ name: 'a', from: [{ serviceAccount: API }] }] });
const COUNTED = { unlabelled: 1, mislabelled: 0 };
const FAILED = { failure: { reason: 'NotInstalled', message: 'x' }, unlabelled: 0, mislabelled: 0 } as const;

describe('the facts of a ServiceAccount that a profile names', () => {
  let changed: string[];
  let accounts: NamedAccounts;
  const only = () => {
    const [first] = accounts.values();
    assert.ok(first);
    return first;
  };

  beforeEach(() => {
    changed = [];
    accounts = new NamedAccounts();
    accounts.subscribe(({ namespace, name }) => changed.push(`${namespace}/${name}`));
    accounts.follow([naming]);
  });

  it('are kept as long as a profile names the account', () => {
    accounts.set(only(), COUNTED);
    accounts.follow([naming, profile()]);
    assert.equal(accounts.facts(API), COUNTED);
    accounts.follow([profile()]);
    assert.equal(accounts.facts(API), undefined);
  });

  it('are kept as long as a namespace depends on the account, as one with an earlier revision does', () => {
    assert.equal(accounts.need(API), false);
    accounts.set(only(), COUNTED);
    accounts.follow([profile()]);
    assert.equal(accounts.facts(API), COUNTED);
    accounts.release(API);
    accounts.follow([profile()]);
    assert.equal(accounts.facts(API), undefined);
    assert.equal(accounts.need(API), true);
    accounts.follow([profile()]);
    assert.deepEqual(only().account, API);
  });

  it('stay the same object, and nobody is notified, if they are found out to be equal', () => {
    accounts.set(only(), COUNTED);
    accounts.set(only(), { ...COUNTED });
    assert.equal(accounts.facts(API), COUNTED);
    assert.deepEqual(changed, ['data/api']);
  });

  it('are dropped without a notice if they are counts, and stay if they are a failure', () => {
    accounts.set(only(), FAILED);
    accounts.dropCounts();
    assert.equal(accounts.facts(API), FAILED);
    accounts.set(only(), COUNTED);
    changed = [];
    accounts.dropCounts();
    assert.equal(accounts.facts(API), undefined);
    assert.deepEqual(changed, []);
    assert.equal(only().countDue, 0);
  });
});
