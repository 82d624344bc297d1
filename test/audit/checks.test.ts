/** Every check accepts its good cases, and reports exactly the named objects and fields of its bad ones. */
import assert from 'node:assert/strict';
import { audit } from '../../src/audit/audit.ts';
import { CHECKS } from '../../src/audit/registry.ts';
import { BOUNDARY_CASES } from './cases/boundary.ts';
import { ENGINE_POLICY_CASES } from './cases/engine-policies.ts';
import { EXPOSURE_CASES } from './cases/exposure.ts';
import { MESH_CASES } from './cases/mesh.ts';
import { NETWORK_CASES } from './cases/networks.ts';
import { PLATFORM_CASES } from './cases/platform.ts';
import { POD_CASES } from './cases/pods.ts';
import { ACCOUNT_CASES } from './cases/service-accounts.ts';
import { type CheckCases, findingsOf, placeOf, world } from './world.ts';

const CASES: Readonly<Record<string, CheckCases>> = {
  ...BOUNDARY_CASES,
  ...NETWORK_CASES,
  ...POD_CASES,
  ...EXPOSURE_CASES,
  ...ACCOUNT_CASES,
  ...PLATFORM_CASES,
  ...ENGINE_POLICY_CASES,
  ...MESH_CASES,
};

describe('audit', () => {
  for (const { id } of CHECKS) {
    const { good = {}, bad = {}, options } = CASES[id] ?? {};
    it(`has good and bad cases of the check ${id}`, () => {
      assert.ok(Object.keys(good).length > 0, 'good');
      assert.ok(Object.keys(bad).length > 0, 'bad');
    });

    describe(`check ${id}`, () => {
      for (const [name, snapshot] of Object.entries(good)) {
        it(`accepts ${name}`, () => assert.deepEqual(findingsOf(id, snapshot, options).map(placeOf), []));
      }
      for (const [name, [snapshot, ...places]] of Object.entries(bad)) {
        it(`reports ${name}`, () => {
          const findings = findingsOf(id, snapshot, options);
          assert.deepEqual(findings.map(placeOf).toSorted(), places.toSorted());
          for (const { message } of findings) assert.match(message, /^[^.].*[^.]$/);
        });
      }
    });
  }

  it('skips a check that can know nothing of a cluster, and says why', () => {
    const { skipped } = audit(world({ pods: [] }), { only: ['admission-plugin-missing'] });
    assert.deepEqual(
      skipped.map(({ unread, unknown }) => [unread, unknown]),
      [[[], 'the flags of the API server are not visible, as it is no pod of the cluster']],
    );
    assert.deepEqual(audit(world({ isComplete: false }), { only: ['platform'] }).skipped, []);
  });

  it('has cases of its checks only', () => {
    const known = new Set(CHECKS.map(({ id }) => id));
    assert.deepEqual(
      Object.keys(CASES).filter((id) => !known.has(id)),
      [],
    );
  });

  it('has a different id for every check', () => {
    assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  });

  for (const { id, title, why, remedy } of CHECKS) {
    it(`says of the check ${id} what it asks for, why, and what to write`, () => {
      assert.match(id, /^[a-z][a-z0-9-]+$/);
      assert.doesNotMatch(title, /\.$/);
      assert.match(why, /\.$/);
      assert.match(remedy, /\.$/);
    });
  }
});
