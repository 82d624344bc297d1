/** The names under which policies stand where somebody else holds the names that they would have. Pure. */
import { alternativeName, LABEL_PROFILE } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';

/** `desired`, each under its own name or, where that is taken, the first free alternative one. */
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
    // Somebody who also took the alternative meant it; the chain goes on, and is the same each time.
    while (taken.has(alternative)) alternative = alternativeName(profile, alternative);
    return { ...policy, metadata: { ...policy.metadata, name: alternative } };
  });
  return { named, conflicts };
}
