/** The flows that policies let pass, each end by itself, and the states that a plan leads through. */
import { compileView } from '../../src/analysis/evaluator.ts';
import type { Endpoint, Namespace, Pod } from '../../src/analysis/cluster.ts';
import { DIRECTIONS, type NetworkPolicy } from '../../src/api/network-policy.ts';
import { plan, type Step } from '../../src/policy/planning/plan.ts';
import { ownerByLabels } from './fixture.ts';

export interface State {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
}

const OUTSIDE = ['198.51.100.7', '203.0.113.1'];
const PORTS = [53, 80, 8080];

/** The ends that let a flow pass: an entry for each direction, pod, other end and port. */
export function openEnds({ namespaces, pods, policies }: State): Set<string> {
  const evaluator = compileView({ namespaces, policies });
  const others: (readonly [name: string, end: Endpoint])[] = [
    ...pods.map((pod) => [`${pod.namespace}/${pod.name}`, { kind: 'pod', pod }] as const),
    ...OUTSIDE.map((ip) => [ip, { kind: 'external', ip }] as const),
  ];
  const open = new Set<string>();
  for (const direction of DIRECTIONS) {
    for (const pod of pods) {
      for (const [name, end] of others) {
        for (const port of PORTS) {
          if (evaluator.allows(direction, pod, end, { port, protocol: 'TCP', family: 4 }))
            open.add(`${direction} of ${pod.namespace}/${pod.name}: ${name}, port ${port}`);
        }
      }
    }
  }
  return open;
}

/** Every state between `before` and `desired`, both included: namespace by namespace, step by step. */
export function* transition(before: State, desired: readonly NetworkPolicy[]): Generator<State> {
  let state = before;
  yield state;
  for (const { name } of before.namespaces) {
    const isHere = ({ metadata }: NetworkPolicy) => metadata.namespace === name;
    const here = state.policies.filter(isHere);
    const { steps } = plan(here, desired.filter(isHere), { hasPods: true, ownerOf: ownerByLabels });
    for (const step of steps) {
      state = { ...state, policies: applied(state.policies, step, name) };
      yield state;
    }
  }
}

function applied(policies: readonly NetworkPolicy[], step: Step, namespace: string): NetworkPolicy[] {
  const name = step.verb === 'delete' ? step.name : step.policy.metadata.name;
  const others = policies.filter(
    ({ metadata }) => metadata.name !== name || metadata.namespace !== namespace,
  );
  return step.verb === 'delete' ? others : [...others, step.policy];
}
