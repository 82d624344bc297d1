import assert from 'node:assert/strict';
import type { ExceptionSpec, SegmentationException } from '../../../src/api/exception.ts';
import type { Peer, SegmentationProfile } from '../../../src/api/profile.ts';
import { judge } from '../../../src/policy/exceptions/judge.ts';
import { at, CREATED, exception, granting, HOUR } from './fixture.ts';

/** The verdicts by name, as `kind` or `kind: profile` or `kind: reason`. */
function verdicts(
  exceptions: readonly SegmentationException[],
  profiles: readonly SegmentationProfile[],
  hours = 1,
): Record<string, string> {
  const judged = judge(exceptions, profiles, CREATED + hours * HOUR);
  return Object.fromEntries(
    [...judged].map(([{ metadata }, verdict]) => {
      const detail =
        'reason' in verdict
          ? verdict.reason
          : 'profile' in verdict
            ? verdict.profile.metadata.name
            : undefined;
      return [metadata.name, detail === undefined ? verdict.kind : `${verdict.kind}: ${detail}`];
    }),
  );
}

const one = (spec: Partial<ExceptionSpec>, profiles: readonly SegmentationProfile[], hours = 1) =>
  verdicts([exception('e', spec)], profiles, hours)['e'];
const approved = (by: string, hours: number): Partial<ExceptionSpec> => ({
  approval: { by, until: at(hours) },
});
const to = (peer: Peer): Partial<ExceptionSpec> => ({ egress: [{ name: 'r', to: [peer] }] });

describe('verdict on an exception', () => {
  const allowing = granting('p');
  const approving = granting('p', { mode: 'ApprovalRequired' });

  const CASES: readonly (readonly [title: string, actual: () => unknown, expected: string])[] = [
    ['is in force within its time', () => one({}, [allowing]), 'in-force: p'],
    ['is in force until the last millisecond', () => one({}, [allowing], 4 - 1 / HOUR), 'in-force: p'],
    ['is expired from the very second of its end', () => one({}, [allowing], 4), 'expired'],
    ['is expired if its end can not be read', () => one({ expires: 'soon' }, [allowing]), 'expired'],
    ['is refused if no profile selects the namespace', () => one({}, []), 'refused: NotSelected'],
    [
      'is refused if the named profile does not select it',
      () => one({ profile: 'q' }, [allowing]),
      'refused: NotSelected',
    ],
    [
      'is refused without a grant',
      () => one({}, [granting('p', { mode: 'Disabled' })]),
      'refused: NotGranted',
    ],
    [
      'is refused by a profile that only audits',
      () => one({}, [granting('p', {}, { mode: 'Audit' })]),
      'refused: ProfileAudits',
    ],
    ['is in force for exactly the granted time', () => one({ expires: at(24) }, [allowing]), 'in-force: p'],
    ['is refused beyond the granted time', () => one({ expires: at(24.01) }, [allowing]), 'refused: TooLong'],
    [
      'is refused for addresses by default',
      () => one(to({ ipBlock: { cidr: '10.0.0.0/8' } }), [allowing]),
      'refused: PeerNotGranted',
    ],
    [
      'is refused for entities by default',
      () => one(to({ entity: 'World' }), [allowing]),
      'refused: PeerNotGranted',
    ],
    [
      'is refused for a kind of peer that this version does not know',
      () =>
        one(to({ later: 'x' } as unknown as Peer), [
          granting('p', { peers: ['Pods', 'Service', 'ServiceAccount', 'IPBlock', 'Entity'] }),
        ]),
      'refused: PeerNotGranted',
    ],
    [
      'is in force for addresses that are granted',
      () => one(to({ ipBlock: { cidr: '10.0.0.0/8' } }), [granting('p', { peers: ['IPBlock'] })]),
      'in-force: p',
    ],
    [
      'is refused for names that are not granted',
      () => one(to({ fqdn: { names: ['example.com'] } }), [granting('p', { peers: ['IPBlock', 'Entity'] })]),
      'refused: PeerNotGranted',
    ],
    [
      'is in force for names that are granted',
      () => one(to({ fqdn: { names: ['example.com'] } }), [granting('p', { peers: ['FQDN'] })]),
      'in-force: p',
    ],
    ['awaits an approval', () => one({}, [approving]), 'awaiting-approval: p'],
    ['is in force once it is approved', () => one(approved('mary', 4), [approving]), 'in-force: p'],
    [
      'awaits another approval after the approved end',
      () => one(approved('mary', 2), [approving], 2),
      'awaiting-approval: p',
    ],
    [
      'awaits an approval by somebody else than its creator',
      () => one(approved('jane', 4), [approving]),
      'awaiting-approval: p',
    ],
    [
      'awaits an approval by somebody else than who extended it',
      () => one({ ...approved('mary', 4), extendedBy: 'mary' }, [approving]),
      'awaiting-approval: p',
    ],
    [
      'is by the first profile by name that grants it',
      () => one({}, [granting('q'), granting('p', { mode: 'Disabled' })]),
      'in-force: q',
    ],
    ['is by the named profile', () => one({ profile: 'q' }, [allowing, granting('q')]), 'in-force: q'],
    [
      'has the reason of a profile that grants some',
      () => one({ expires: at(100) }, [granting('a', { mode: 'Disabled' }), allowing]),
      'refused: TooLong',
    ],
  ];
  for (const [title, actual, expected] of CASES) it(title, () => assert.equal(actual(), expected));

  it('is expired while the exception is being deleted', () => {
    const leaving = exception('e', {}, { deletionTimestamp: at(1) });
    assert.deepEqual(verdicts([leaving], [allowing]), { e: 'expired' });
  });

  it('is refused for all but the oldest that a namespace may have, those that await an approval included', () => {
    const aged = (name: string, hours: number) => exception(name, {}, { creationTimestamp: at(hours) });
    const most = [granting('p', { mode: 'ApprovalRequired', maxPerNamespace: 2 })];
    assert.deepEqual(verdicts([aged('c', 0.3), aged('b', 0.1), aged('a', 0.2)], most), {
      a: 'awaiting-approval: p',
      b: 'awaiting-approval: p',
      c: 'refused: TooMany',
    });
  });

  it('does not count those that are over or refused', () => {
    const most = [granting('p', { maxPerNamespace: 1 })];
    const over = exception('a', { expires: at(0.5) });
    const refused = exception('b', to({ entity: 'Any' }));
    assert.equal(verdicts([over, refused, exception('c')], most)['c'], 'in-force: p');
  });

  it('says of a refused end by when it may expire', () => {
    const [verdict] = [...judge([exception('e', { expires: at(30) })], [allowing], CREATED).values()];
    assert.ok(verdict?.kind === 'refused');
    assert.match(verdict.message, /let it expire by 2026-12-01T08:00:00Z/);
  });
});
