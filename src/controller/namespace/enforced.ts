/**
 * What this process has enforced where, so that drift is repaired even when what was deleted by hand can no longer be
 * read back: a namespace that was isolated stays so, with the last known form of peers that can't be resolved now.
 */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';

/** What a profile enforces in a namespace. */
interface Standing {
  /** The directions that it isolates. */
  readonly isolation: readonly PolicyType[];
  /**
   * The policies with the last known form of peers that can't be resolved now; empty where all are resolved, as all
   * policies of a large cluster would be too much to keep.
   */
  readonly held: readonly NetworkPolicy[];
}

export class Enforced {
  /** By namespace, then by profile. */
  readonly #standing = new Map<string, ReadonlyMap<string, Standing>>();

  isolates(namespace: string, profile: string, direction: PolicyType): boolean {
    return this.#standing.get(namespace)?.get(profile)?.isolation.includes(direction) ?? false;
  }

  /** Policies as they were last written to the namespace while a peer was unresolved. */
  held(namespace: string): readonly NetworkPolicy[] {
    return [...(this.#standing.get(namespace)?.values() ?? [])].flatMap(({ held }) => held);
  }

  /** All that is enforced in the namespace, by profile; it replaces what was noted before. */
  note(namespace: string, standing: ReadonlyMap<string, Standing>): void {
    if (standing.size > 0) this.#standing.set(namespace, standing);
    else this.#standing.delete(namespace);
  }
}
