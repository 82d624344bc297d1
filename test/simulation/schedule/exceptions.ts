/** Exceptions of a plan: what profiles grant, and who asks, approves, extends and withdraws. Pure. */
import { type Dice, pick } from '../../faults/model.ts';
import { type Action, NAMESPACES, PROFILES, type Plan, withActions, withSpecs } from './actions.ts';

/** Namespaces that have exceptions. */
export const EXCEPTED = NAMESPACES.slice(0, 2);
const NAMES = ['one', 'two'];
/** An exception ends within this time after its creation, extensions included, so that no notice precedes its end. */
const LONGEST_MS = 9 * 60_000;

export function withExceptions(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const granting = withSpecs(plan, (spec) => ({
    ...spec,
    exceptions: {
      mode: pick(roll, ['Allowed', 'Allowed', 'ApprovalRequired', 'Disabled']),
      maxDuration: pick(roll, ['1h', '3m']),
      peers: pick(roll, [['Pods', 'Service', 'IPBlock'], ['Pods']]),
      maxPerNamespace: 1 + roll(2),
    },
  }));
  const asked = withActions(granting, roll, nextId, () => [
    ...Array.from({ length: roll(3) }, () => ask(roll)),
    ...Array.from({ length: roll(4) }, () => randomChange(roll)),
  ]);
  return { ...asked, hasExceptions: true };
}

function ask(roll: Dice): Action {
  const podSelector = pick(roll, [{}, { podSelector: { matchLabels: { app: 'a' } } }]);
  const peer = () =>
    pick(roll, [
      { podSelector: { matchLabels: { app: 'b' } } },
      { namespaces: [pick(roll, NAMESPACES)] },
      { ipBlock: { cidr: '203.0.113.0/24' } },
      { service: { namespace: 'a', name: 'api' } },
    ]);
  const ports = pick(roll, [{}, { ports: [{ port: 9090 }] }]);
  const flows = pick(roll, [
    { egress: [{ name: 'out', ...podSelector, to: [peer()], ...ports }] },
    { ingress: [{ name: 'in', ...podSelector, from: [peer()], ...ports }] },
    {
      egress: [{ name: 'out', to: [peer()] }],
      ingress: [{ name: 'in', from: [peer()], ...ports }],
    },
  ]);
  const profile = roll(4) === 0 ? { profile: pick(roll, PROFILES) } : {};
  return {
    do: 'ask',
    namespace: pick(roll, EXCEPTED),
    name: pick(roll, NAMES),
    forMs: pick(roll, [5_000 + roll(25_000), 30_000 + roll(60_000), roll(LONGEST_MS)]),
    spec: { ...flows, ...profile },
  };
}

function randomChange(roll: Dice): Action {
  const namespace = pick(roll, EXCEPTED);
  const name = pick(roll, NAMES);
  return pick<Action>(roll, [
    { do: 'approve', namespace, name },
    { do: 'approve', namespace, name },
    { do: 'approve', namespace, name },
    { do: 'extend', namespace, name, byMs: pick(roll, [-20_000, 20_000, 60_000]) },
    { do: 'withdraw', namespace, name },
  ]);
}
