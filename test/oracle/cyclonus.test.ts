/**
 * The evaluator, selectors and CIDRs, compared with independent code on generated clusters. A failure prints the
 * smallest counterexample as YAML, with the seed and path that repeat it.
 */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { stringify } from 'yaml';
import { compileView } from '../../src/analysis/evaluator.ts';
import { canonicalCidr, containsAddress, parseAddress, parseCidr } from '../../src/policy/semantics/cidr.ts';
import { canonicalSelector, matches } from '../../src/policy/semantics/selector.ts';
import { labels, scenario, selector } from '../analysis/arbitrary.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';
import { addressText, cidrText } from './cidr-text.ts';
import { asCyclonusReadsFlow, asCyclonusReadsPolicy, DEPARTURES } from './departures.ts';
import { flowCase, Oracle, type OracleAnswer, type OracleCase } from './oracle.ts';

const SEED = 20_251_121;
const CLUSTERS = 6000;
const LISTS = 3000; // of up to 20 selectors, or CIDRs, each

const CYCLONUS = {
  name: 'cyclonus',
  module: 'cyclonus',
  package: '.',
  title: 'the independent evaluator',
  usualTime: 'at most 2 minutes on 2 cores',
};

(goIsThere ? describe : describe.skip)(`independent code${skippedWithoutGo}`, () => {
  let oracle: Oracle;

  before(async function () {
    this.timeout('15m');
    oracle = new Oracle(await goTool(CYCLONUS));
  });
  after(() => oracle?.[Symbol.asyncDispose]());

  it('of cyclonus agrees with the evaluator, except for the known departures', async () => {
    const judged = { allowed: 0, denied: 0 };
    await holds(CLUSTERS, scenario, async ({ view, flows }) => {
      const answer = await ask(oracle, flowCase(view, flows));
      const evaluator = compileView({ ...view, policies: view.policies.map(asCyclonusReadsPolicy) });
      const own = flows.map((flow) => {
        const { egress, ingress, allowed } = evaluator.verdict(asCyclonusReadsFlow(flow));
        judged[allowed ? 'allowed' : 'denied']++;
        return { egress: egress.allowed, ingress: ingress.allowed };
      });
      assert.deepEqual(own, answer.flows);
    });
    // Agreement proves something only if both verdicts are frequent.
    assert.ok(judged.allowed > 2 * CLUSTERS && judged.denied > CLUSTERS, JSON.stringify(judged));
  });

  for (const { name, view, flow, cyclonus, specification } of DEPARTURES) {
    it(`of cyclonus departs from the specification: ${name}`, async () => {
      const answer = await ask(oracle, flowCase(view, [flow]));
      assert.deepEqual(
        answer.flows?.map(({ egress, ingress }) => egress && ingress),
        [cyclonus],
      );
      assert.equal(compileView(view).verdict(flow).allowed, specification);
    });
  }

  it('of the API server matches the same labels as our selectors', () =>
    holds(
      LISTS,
      fc.array(fc.record({ selector, labels }), { minLength: 1, maxLength: 20 }),
      async (selectors) => {
        const answer = await ask(oracle, { selectors });
        const own = selectors.map(({ selector, labels }) => matches(selector, labels));
        const canonical = selectors.map(({ selector, labels }) =>
          matches(canonicalSelector(selector), labels),
        );
        assert.deepEqual([own, canonical], [answer.selectors, answer.selectors]);
      },
    ));

  it('of the API server reads the same CIDRs as our parser', () =>
    holds(
      LISTS,
      fc.array(fc.record({ cidr: cidrText, ip: addressText }), { minLength: 1, maxLength: 20 }),
      async (cidrs) => {
        const answer = await ask(oracle, { cidrs });
        const own = cidrs.map(({ cidr, ip }) => {
          const [range, address] = [parseCidr(cidr), parseAddress(ip)];
          const contains = range !== undefined && address !== undefined && containsAddress(range, address);
          return { canonical: canonicalCidr(cidr) ?? '', contains };
        });
        assert.deepEqual(own, answer.cidrs);
      },
    ));
});

/** The oracle's verdicts. Fails if the API server would refuse the policies, or cyclonus can't evaluate them. */
async function ask(oracle: Oracle, question: OracleCase): Promise<OracleAnswer> {
  const answer = await oracle.ask(question);
  assert.deepEqual([answer.invalid, answer.panic], [undefined, undefined]);
  return answer;
}

async function holds<T>(numRuns: number, arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<void>) {
  const run = await fc.check(fc.asyncProperty(arbitrary, check), { seed: SEED, numRuns });
  if (!run.failed) return;
  assert.fail(
    `after ${run.numRuns} runs and ${run.numShrinks} shrinks (seed ${run.seed}, path ${run.counterexamplePath}):\n` +
      `${String(run.errorInstance)}\n\n${stringify(run.counterexample?.[0], { aliasDuplicateObjects: false })}`,
  );
}
