/** Profiles from manifests: admitted and refused by the table of cases with which the API server is tested. */
import assert from 'node:assert/strict';
import { API_VERSION, KIND } from '../../../src/api/names.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { admitProfile } from '../../../src/cli/snapshot/profile.ts';
import { pathText } from '../../../src/manifests/violations.ts';
import { ADMITTED, largestProfile, REFUSED } from '../../integration/api/profile-cases.ts';

const profile = (spec: object, name = 'case') => ({
  apiVersion: API_VERSION,
  kind: KIND,
  metadata: { name },
  spec: { namespaceSelector: {}, ...spec },
});

describe('a profile from a manifest', () => {
  for (const { what, spec, at, because } of REFUSED) {
    it(`is refused with ${what}`, () => {
      const { violations } = admitProfile(profile(spec));
      const found = violations.find((each) => pathText(each.path) === at && each.message.includes(because));
      assert.ok(found, `nothing at ${at} says "${because}": ${JSON.stringify(violations)}`);
    });
  }

  for (const { what, spec } of ADMITTED) {
    it(`is admitted with ${what}`, () => {
      const { violations, value } = admitProfile(profile(spec));
      assert.deepEqual(violations, []);
      assert.partialDeepStrictEqual((value as { spec: object }).spec, spec);
    });
  }

  it('is admitted at the largest size', () => {
    assert.deepEqual(admitProfile(profile(largestProfile())).violations, []);
  });

  it('is refused with a name that has dots', () => {
    const { violations } = admitProfile(profile({}, 'team.a'));
    assert.match(violations[0]?.message ?? '', /`team-a` rather than `team\.a`/);
  });

  it('is refused with a misspelt field, and the right spelling', () => {
    const { violations } = admitProfile(profile({ namespaceSelecter: {} }));
    assert.deepEqual(violations, [
      { path: ['spec', 'namespaceSelecter'], message: 'unknown field (did you mean "namespaceSelector"?)' },
    ]);
  });

  it('gets the defaults that the API server fills in', () => {
    const { value } = admitProfile(
      profile({
        baseline: { sameNamespace: 'Allow' },
        ingress: [{ name: 'a', from: [{ entity: 'Any' }], ports: [{ port: 80 }] }],
      }),
    );
    assert.deepEqual((value as SegmentationProfile).spec, {
      mode: 'Enforce',
      namespaceSelector: {},
      isolation: ['Ingress', 'Egress'],
      deletionPolicy: 'Delete',
      baseline: {
        dns: 'Allow',
        admissionWebhooks: 'Allow',
        sameNamespace: 'Allow',
        kubeAPIServer: 'Deny',
        ingressControllers: 'Deny',
        monitoring: 'Deny',
        mesh: 'Deny',
      },
      ingress: [{ name: 'a', from: [{ entity: 'Any' }], ports: [{ protocol: 'TCP', port: 80 }] }],
    });
  });
});
