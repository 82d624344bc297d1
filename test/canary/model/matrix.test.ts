import assert from 'node:assert/strict';
import {
  type CanaryPod,
  flippedFlows,
  MAX_TARGETS,
  plannedFlows,
  targetsOf,
} from '../../../src/canary/model/matrix.ts';
import { PORTS } from '../../../src/canary/model/names.ts';
import { IN_1, IN_2, OUT_1, OUT_2, pod, surroundings } from '../fixture.ts';

/** `TCP 8601 allow` or `TCP 8602 deny Ingress Egress`, of the flows to a target by IPv4. */
function expected(self: CanaryPod, target: CanaryPod): string[] {
  return plannedFlows(surroundings(self), 0)
    .filter((flow) => flow.target.kind === 'pod' && flow.target.pod === target && flow.family === 4)
    .map(({ protocol, port, expectation }) =>
      [protocol, port, expectation.verdict, ...(expectation.verdict === 'deny' ? expectation.by : [])].join(
        ' ',
      ),
    );
}

describe('canary matrix', () => {
  it('shows ingress alone by flows from outside to inside', () => {
    assert.deepEqual(expected(OUT_1, IN_2), [
      'TCP 8601 allow',
      'UDP 8601 allow',
      'TCP 8602 deny Ingress',
      'UDP 8602 deny Ingress',
      'TCP 8603 deny Ingress',
      'TCP 8604 deny Ingress',
      'TCP 8605 allow',
      'UDP 8605 deny Ingress',
      'TCP 8606 allow',
    ]);
  });

  it('shows egress alone by flows from inside to outside', () => {
    assert.deepEqual(expected(IN_1, OUT_2), [
      'TCP 8601 allow',
      'UDP 8601 allow',
      'TCP 8602 deny Egress',
      'UDP 8602 deny Egress',
      'TCP 8603 deny Egress',
      'TCP 8604 deny Egress',
      'TCP 8605 allow',
      'UDP 8605 deny Egress',
      'TCP 8606 allow',
    ]);
  });

  it('shows both directions by flows within the isolated namespace', () => {
    assert.deepEqual(expected(IN_1, IN_2), [
      'TCP 8601 allow',
      'UDP 8601 allow',
      'TCP 8602 deny Ingress Egress',
      'UDP 8602 deny Ingress Egress',
      'TCP 8603 deny Ingress Egress',
      'TCP 8604 allow',
      'TCP 8605 allow',
      'UDP 8605 deny Ingress Egress',
      'TCP 8606 allow',
    ]);
  });

  it('has every flow by both address families, and none from a pod to itself or between pods outside', () => {
    const flows = plannedFlows(surroundings(OUT_1), 0);
    const perTarget = PORTS.flatMap(({ protocols }) => protocols).length * 2;
    assert.equal(flows.length, 2 * perTarget);
    assert.equal(new Set(flows.map(({ key }) => key)).size, flows.length);
    assert.ok(flows.every(({ target }) => target.kind === 'pod' && target.pod.side === 'inside'));
    const single = plannedFlows(surroundings({ ...OUT_1, ips: ['10.0.0.3'] }), 0);
    assert.equal(single.length, perTarget);
  });

  it("expects what a tenant's policy in the canary's namespace allows", () => {
    const { policies } = surroundings(OUT_1);
    const foreign = {
      metadata: { name: 'all', namespace: 'segmentation-canary' },
      spec: { podSelector: {}, policyTypes: ['Ingress' as const], ingress: [{}] },
    };
    const flows = plannedFlows(surroundings(OUT_1, { policies: [...policies, foreign] }), 0);
    assert.ok(flows.every(({ expectation }) => expectation.verdict === 'allow'));
  });

  it('tries an address outside of the cluster by the egress rules', () => {
    const flows = plannedFlows(
      surroundings(IN_1, { pods: [IN_1], addresses: [{ address: '203.0.113.5' }] }),
      0,
    );
    assert.ok(flows.length > 0);
    for (const { expectation, family } of flows) {
      assert.deepEqual(expectation, { verdict: 'deny', by: ['Egress'] });
      assert.equal(family, 4);
    }
  });

  it('tries a bounded number of targets in a round, and all of them in turn', () => {
    const many = Array.from({ length: 3 * MAX_TARGETS + 1 }, (_, index) =>
      pod(`in-${index + 10}`, 'inside', `node-${index}`, index + 10),
    );
    const at = surroundings(OUT_1, { pods: [OUT_1, ...many] });
    const rounds = [0, 1, 2, 3].map((round) => targetsOf(at, round));
    for (const targets of rounds) assert.equal(targets.length, MAX_TARGETS);
    const names = rounds.flat().map((target) => (target.kind === 'pod' ? target.pod.name : ''));
    assert.equal(new Set(names).size, many.length);
  });

  it('leaves the flipped port closed without the flipped policy', () => {
    const [flow] = flippedFlows(surroundings(OUT_1), [IN_2]);
    assert.deepEqual(flow?.expectation, { verdict: 'deny', by: ['Ingress'] });
  });
});
