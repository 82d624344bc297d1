/** Alternative names for desired policies whose names foreign policies have. Pure. */
import { alternativeName, LABEL_PROFILE } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';

/** `desired`, each under its own name or, if that is in `taken`, its first free alternative name. */
export function withFreeNames(
  desired: readonly NetworkPolicy[],
  taken: ReadonlySet<string>,
): { named: NetworkPolicy[]; conflicts: string[] } {
  const conflicts: string[] = [];
  const named = desired.map((policy) => {
    const { name } = policy.metadata;
    if (!taken.has(name)) return policy;
    conflicts.push(name);
    const profile = policy.metadata.labels?.[LABEL_PROFILE] ?? '';
    let alternative = alternativeName(profile, name);
    // The chain of alternatives is the same each time, so that the policy keeps its name.
    while (taken.has(alternative)) alternative = alternativeName(profile, alternative);
    return { ...policy, metadata: { ...policy.metadata, name: alternative } };
  });
  return { named, conflicts };
}
