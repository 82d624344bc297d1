/**
 * Begins to watch the peer sources of a profile before its namespaces are reconciled. A namespace that is reconciled before a
 * source has been read has to be reconciled again afterwards: with ten thousand namespaces, that is ten thousand reconciles.
 *
 * Nobody waits for a prefetch, and nothing depends on it: the reconcile of a namespace subscribes to what it needs.
 */
import { RecordedFacts } from '../cluster-state/peer-sources/dependencies.ts';
import type { PeerSources } from '../cluster-state/peer-sources/sources.ts';
import type { ClusterState } from '../cluster-state/state.ts';
import { compile } from '../policy/compile.ts';

export interface SourcePrefetchOptions {
  readonly clusterState: Pick<ClusterState, 'profiles' | 'profile' | 'namespaces' | 'selects'>;
  readonly sources: Pick<PeerSources, 'facts' | 'prefetch' | 'releasePrefetched'>;
}

export class SourcePrefetch {
  readonly #options: SourcePrefetchOptions;
  /** The names of profiles that depend on a source which has not been read. */
  readonly #waiting = new Set<string>();
  /** True until namespaces are reconciled: no namespace depends on the sources before. */
  #isStandby = true;

  constructor(options: SourcePrefetchOptions) {
    this.#options = options;
  }

  /** Prefetches the sources of all profiles, and of those that are created or edited from now on. */
  start(): void {
    const { profiles } = this.#options.clusterState;
    for (const { key } of profiles.values()) this.#prefetch(key);
    profiles.subscribe(({ old, new: next }) => {
      const isEdited = old?.profile.metadata.generation !== next?.profile.metadata.generation;
      if (next !== undefined && (isEdited || old?.uid !== next.uid)) this.#prefetch(next.key);
    });
  }

  /** A source has been read: what a peer means may depend on further sources. */
  sourceRead(): void {
    for (const profile of this.#waiting) this.#prefetch(profile);
  }

  /** All namespaces have been reconciled: sources that none of them depends on are not needed. */
  release(): void {
    this.#isStandby = false;
    this.#options.sources.releasePrefetched();
  }

  #prefetch(name: string): void {
    const { sources } = this.#options;
    const missing = this.#missingSources(name);
    if (missing.length === 0) {
      this.#waiting.delete(name);
      return;
    }
    this.#waiting.add(name);
    sources.prefetch(missing);
    if (!this.#isStandby) sources.releasePrefetched();
  }

  /** The sources of a profile that have not been read. */
  #missingSources(name: string): RecordedFacts['missing'] {
    const { clusterState, sources } = this.#options;
    const profile = clusterState.profile(name);
    if (profile === undefined) return [];
    const facts = new RecordedFacts(sources.facts);
    try {
      // The first namespace that it selects: most namespaces need the same sources.
      const namespace = clusterState.namespaces.values().find((each) => clusterState.selects(profile, each));
      if (namespace === undefined) return [];
      compile(profile, { name: namespace.key, labels: namespace.labels }, facts);
    } catch {
      // The reconcile of the namespace meets the same error, and reports it.
    }
    return facts.missing;
  }
}
