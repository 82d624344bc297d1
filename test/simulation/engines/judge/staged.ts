/** The policies that a network engine stages for profiles in Audit, in a converged cluster. Pure. */
import type { NetworkPolicy, NetworkPolicySpec } from '../../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../../src/api/profile.ts';
import { lastKnownFrom } from '../../../../src/policy/peers/last-known.ts';
import { specKey } from '../../../../src/policy/semantics/normalize.ts';
import { PROFILES } from '../../schedule/actions.ts';
import { cached, type Combination, selects } from '../../schedule/combination.ts';
import { intentOf, neverKnown, withoutDirections } from '../../schedule/inputs.ts';
import { CALICO_STAGED, CALICO_STAGED_POLICY, type Stored } from '../../server/kinds.ts';
import type { NamespaceState, OwnerOf } from '../references.ts';

/**
 * Describes staged policies that are not those which Enforce would write; undefined if all are. A direction with a peer that
 * was never resolved may be left out.
 */
export function unmetStaged(
  combination: Combination,
  namespace: string,
  { policies, objects }: NamespaceState,
  ownerOf: OwnerOf,
): string | undefined {
  for (const [index, name] of PROFILES.entries()) {
    const form = combination.profiles[index];
    if (form === undefined || form.isHeld) continue;
    const own = objects.filter(({ object }) => ownerOf(object) === name);
    const staged = own.filter(({ kind }) => kind === CALICO_STAGED).map(({ object }) => stagedBy(object));
    const profile = isAudited(form.profile, namespace, combination) ? form.profile : undefined;
    if (profile === undefined) {
      const left = own.find(({ kind }) => kind === CALICO_STAGED || kind === CALICO_STAGED_POLICY);
      if (left !== undefined) return `the staged policy ${left.object.metadata.name} of ${name} is left`;
      continue;
    }
    const lastKnown = lastKnownFrom([...policies, ...staged]);
    const intent = intentOf(enforced(profile), namespace, combination, lastKnown);
    if (intent === undefined) continue;
    const open = neverKnown(intent);
    const choices = [[], ...open.map((each) => [each]), open];
    if (!choices.some((each) => isSame(staged, withoutDirections(intent.policies, each))))
      return `${name} has the staged policies ${JSON.stringify(staged.map(({ spec }) => spec))}, and would enforce ${JSON.stringify(intent.policies.map(({ spec }) => spec))}`;
  }
  return undefined;
}

function isAudited(
  profile: SegmentationProfile | undefined,
  namespace: string,
  { labels }: Combination,
): profile is SegmentationProfile {
  if (profile === undefined || labels === undefined) return false;
  const { metadata, spec } = profile;
  return (
    spec.mode === 'Audit' && metadata.deletionTimestamp === undefined && selects(profile, namespace, labels)
  );
}

/** Compiled policies are cached by the identity of the profile. */
const forms = new WeakMap<SegmentationProfile, SegmentationProfile>();

function enforced(profile: SegmentationProfile): SegmentationProfile {
  return cached(forms, profile, () => ({ ...profile, spec: { ...profile.spec, mode: 'Enforce' } }));
}

/** The NetworkPolicy that a StagedKubernetesNetworkPolicy stages. */
function stagedBy({ metadata, spec }: Stored): NetworkPolicy {
  const { stagedAction: _action, ...rest } = (spec ?? {}) as NetworkPolicySpec & { stagedAction?: string };
  return { metadata, spec: rest };
}

function isSame(a: readonly NetworkPolicy[], b: readonly NetworkPolicy[]): boolean {
  const key = (list: readonly NetworkPolicy[]) =>
    list
      .map(({ spec }) => specKey(spec))
      .sort()
      .join();
  return key(a) === key(b);
}
