/**
 * A held profile as it stands in a namespace: it isolates what its policies there isolate, whatever its spec asks for by
 * now. Pure but for a cache.
 */
import { LABEL_ROLE } from '../api/names.ts';
import { DIRECTIONS, type PolicyType } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { exceptionOf, type PolicyItem } from './items.ts';
import type { ClusterState } from './state.ts';
import { isolatesAll } from '../policy/planning/effect.ts';

export class HeldForms {
  readonly #clusterState: ClusterState;
  /** By profile, then by its isolation. The same form is the same object, by which results are cached. */
  readonly #forms = new WeakMap<SegmentationProfile, Map<string, SegmentationProfile>>();

  constructor(clusterState: ClusterState) {
    this.#clusterState = clusterState;
  }

  formIn(profile: SegmentationProfile, namespace: string): SegmentationProfile {
    const own = [...this.#clusterState.policies.byNamespace(namespace)].filter(
      (item) => exceptionOf(item) === undefined && this.#clusterState.ownerOf(item) === profile.metadata.name,
    );
    const isolation = DIRECTIONS.filter((direction) =>
      own.some((item) => isIsolating(item, direction, profile)),
    );
    let forms = this.#forms.get(profile);
    if (forms === undefined) this.#forms.set(profile, (forms = new Map()));
    const key = isolation.join();
    let form = forms.get(key);
    if (form === undefined) forms.set(key, (form = { ...profile, spec: { ...profile.spec, isolation } }));
    return form;
  }
}

/** A policy that isolates only some pods does not count: the exception's own policy would isolate the others. */
function isIsolating(
  { content }: PolicyItem,
  direction: PolicyType,
  { spec: { isolation } }: SegmentationProfile,
): boolean {
  if (content === undefined) return isolation.includes(direction);
  return content.labels?.[LABEL_ROLE] !== 'transition' && isolatesAll(content.spec, direction);
}
