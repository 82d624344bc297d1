/** The pods that engines' own policies isolate, as a NetworkPolicy does, or close by a denial. Pure. */
import type { PolicyType } from '../../../api/network-policy.ts';
import type { AuditContext } from '../../context.ts';
import type { AuditPod } from '../../snapshot.ts';
import type { EngineRule } from '../../../engines/layers/engine-policy.ts';
import { enginePolicies, type OwnedPolicy } from '../../../engines/layers/kinds.ts';

const KNOWN = new WeakMap<AuditContext, readonly OwnedPolicy[]>();

function deniesAll({ peers, ports, order }: EngineRule): boolean {
  return order?.effect === 'deny' && peers === 'any' && ports === 'any';
}

/** True if a policy of an engine's own kind isolates or closes the pod; without a direction, in any. */
export function isIsolatedByEngine(pod: AuditPod, context: AuditContext, direction?: PolicyType): boolean {
  let policies = KNOWN.get(context);
  if (policies === undefined) {
    policies = enginePolicies(context.snapshot);
    KNOWN.set(context, policies);
  }
  const candidate = { pod, namespaceLabels: context.labelsOf(pod.namespace) };
  return policies.some(({ isolates, closes = [], rules }) =>
    [...isolates, ...closes, ...rules.filter(deniesAll)].some(
      (each) => (direction === undefined || each.direction === direction) && each.subject(candidate),
    ),
  );
}
