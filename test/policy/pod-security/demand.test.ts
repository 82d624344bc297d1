/** The Pod Security levels of a namespace that several profiles ask for. */
import assert from 'node:assert/strict';
import type { ProfileSpec } from '../../../src/api/profile.ts';
import { demandOf } from '../../../src/policy/pod-security/demand.ts';
import { profile } from '../fixture.ts';

type PodSecurity = NonNullable<NonNullable<ProfileSpec['workloads']>['podSecurity']>;
const asking = (podSecurity: Omit<PodSecurity, 'version'> & { version?: string }) =>
  profile({ workloads: { podSecurity: { version: 'latest', ...podSecurity } } });
const acknowledge = (enforce: 'baseline' | 'restricted', ...namespaces: string[]) => ({
  enforce,
  namespaces,
});

describe('demand for Pod Security levels', () => {
  it('is nothing without a profile that asks', () => {
    assert.equal(demandOf([profile()], 'a'), undefined);
  });

  it('is the highest level of each mode, whatever the order of profiles', () => {
    const profiles = [
      asking({ enforce: 'baseline', warn: 'restricted', version: 'v1.30' }),
      asking({ enforce: 'restricted', version: 'v1.29' }),
      profile(),
      asking({ enforce: 'restricted', audit: 'baseline', version: 'v1.30' }),
    ];
    const expected = {
      levels: {
        enforce: { level: 'restricted', version: 'v1.30' },
        audit: { level: 'baseline', version: 'v1.30' },
        warn: { level: 'restricted', version: 'v1.30' },
      },
      isAcknowledged: false,
    };
    assert.equal(JSON.stringify(demandOf(profiles, 'a')), JSON.stringify(expected));
    assert.equal(JSON.stringify(demandOf(profiles.toReversed(), 'a')), JSON.stringify(expected));
  });

  it('is acknowledged for named namespaces, or for all of them', () => {
    const named = asking({ enforce: 'baseline', acknowledge: acknowledge('baseline', 'a', 'b') });
    assert.equal(demandOf([named], 'b')?.isAcknowledged, true);
    assert.equal(demandOf([named], 'c')?.isAcknowledged, false);
    const all = asking({ enforce: 'baseline', acknowledge: acknowledge('baseline', '*') });
    assert.equal(demandOf([all], 'c')?.isAcknowledged, true);
  });

  it('is not acknowledged for a lower level than the highest', () => {
    const low = asking({ enforce: 'baseline', acknowledge: acknowledge('baseline', '*') });
    assert.equal(demandOf([low, asking({ enforce: 'restricted' })], 'a')?.isAcknowledged, false);
  });
});
