/**
 * Generated policies are an interface: an upgrade that changes their bytes writes every policy of every cluster anew.
 * `test/fixtures/policies/recorded.jsonl.gz` has profiles, cluster facts and the policies compiled from them, a JSON
 * object on each line. Where a change of the compiled policies is meant, `UPDATE_RECORDED=1` writes the new ones; the
 * commit says why.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { compile } from '../../src/policy/compile.ts';
import type { NamespaceFacts } from '../../src/policy/facts.ts';
import { lastKnownFrom } from '../../src/policy/peers/last-known.ts';
import { facts, type FactsInput } from './fixture.ts';

interface Recorded {
  readonly name: string;
  readonly profile: SegmentationProfile;
  readonly namespace: NamespaceFacts;
  readonly facts: FactsInput;
  readonly policies: readonly NetworkPolicy[];
  /** The policies after every Service, EndpointSlice, Node and label has vanished: with last known peers. */
  readonly failedStatic: readonly NetworkPolicy[];
}

const path = join(import.meta.dirname, '../fixtures/policies/recorded.jsonl.gz');
const read = () =>
  gunzipSync(readFileSync(path))
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Recorded);

function compiled({
  profile,
  namespace,
  facts: given,
}: Recorded): Pick<Recorded, 'policies' | 'failedStatic'> {
  const { policies } = compile(profile, namespace, facts(given));
  const nothing = facts({ configuration: given.configuration ?? {} });
  const bare = { name: namespace.name, labels: {} };
  return { policies, failedStatic: compile(profile, bare, nothing, lastKnownFrom(policies)).policies };
}

const text = (policies: readonly NetworkPolicy[]) =>
  policies.map((policy) => JSON.stringify(policy)).join('\n');

describe('compile', () => {
  let recorded: readonly Recorded[];

  before(() => {
    if (process.env.UPDATE_RECORDED) {
      const lines = read().map((each) => `${JSON.stringify({ ...each, ...compiled(each) })}\n`);
      writeFileSync(path, gzipSync(lines.join(''), { level: 9 }));
    }
    recorded = read();
  });

  for (const kind of ['samples', 'generated profiles'] as const) {
    it(`writes the recorded policies of ${kind}, byte for byte`, () => {
      const cases = recorded.filter(({ name }) => name.startsWith('generated') === (kind !== 'samples'));
      assert.ok(cases.length > 5);
      for (const each of cases) {
        const { policies, failedStatic } = compiled(each);
        assert.equal(text(policies), text(each.policies), each.name);
        assert.equal(text(failedStatic), text(each.failedStatic), `${each.name}, with last known peers`);
      }
    });
  }
});
