/**
 * Edits of the operator's policies, and of the labels of their namespaces, that a leader could not know as it sent a write: their
 * events had not come. A plan that was made before the edit of a policy leads to what is wanted, but for that policy.
 */
import type { StringMap } from '../../../src/api/meta.ts';
import type { PolicyItem } from '../../../src/cluster-state/items.ts';
import { canonicalJSON } from '../../../src/util/canonical-json.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';

type Policies = readonly NetworkPolicy[];

interface Edit {
  readonly name: string;
  /** The revision of the edit. */
  readonly at: number;
  /** The policy after the edit; undefined if it was deleted. */
  readonly after: NetworkPolicy | undefined;
}

export class MissedEdits {
  /** The last edit of each policy in this round, by namespace and name. */
  readonly #edits = new Map<string, Map<string, Edit>>();
  /** The revisions of the policies that a replica knew as it sent its latest write, by replica and namespace. */
  readonly #known = new Map<string, ReadonlyMap<string, number>>();
  /** The labels of the namespace that a replica knew as it sent its latest write, as JSON, by replica and namespace. */
  readonly #labels = new Map<string, string>();
  /** By namespace and name. */
  readonly #missed = new Map<string, Map<string, Edit>>();

  beginRound(): void {
    this.#edits.clear();
    this.#missed.clear();
  }

  /** Somebody has changed or deleted a policy of the operator. */
  edited(namespace: string, edit: Edit): void {
    mapAt(this.#edits, namespace).set(edit.name, edit);
  }

  /** A replica sends a write, and knows these policies of the namespace. */
  sent(
    replica: string,
    namespace: string,
    cached: { readonly policies: Iterable<PolicyItem>; readonly labels: StringMap | undefined },
  ): void {
    const known = [...cached.policies].map(
      ({ name, resourceVersion }) => [name, Number(resourceVersion)] as const,
    );
    this.#known.set(`${replica} ${namespace}`, new Map(known));
    this.#labels.set(`${replica} ${namespace}`, textOf(cached.labels));
  }

  /** True if a replica knew the labels of the namespace as it sent its latest write there. */
  knewLabels(replica: string, namespace: string, labels: StringMap | undefined): boolean {
    return this.#labels.get(`${replica} ${namespace}`) === textOf(labels);
  }

  /** A write of a replica was carried out. @returns true if it has missed further edits */
  written(replica: string, namespace: string): boolean {
    const known = this.#known.get(`${replica} ${namespace}`);
    const missed = mapAt(this.#missed, namespace);
    let hasMissed = false;
    for (const edit of this.#edits.get(namespace)?.values() ?? []) {
      const { name, at, after } = edit;
      const version = known?.get(name);
      const isUnknown = version === undefined ? after !== undefined : version < at;
      if (!isUnknown || missed.get(name) === edit) continue;
      missed.set(name, edit);
      hasMissed = true;
    }
    return hasMissed;
  }

  /** Changes with the missed edits. */
  key(namespace: string): string {
    return [...(this.#missed.get(namespace)?.values() ?? [])].map(({ at }) => at).join();
  }

  /** The policies as the missed edits leave them; nothing if these change none of them. */
  applied(namespace: string, policies: Policies): readonly Policies[] {
    const missed = this.#missed.get(namespace);
    if (missed === undefined || !policies.some(({ metadata }) => missed.has(metadata.name))) return [];
    const edited = policies.flatMap((policy) => {
      const edit = missed.get(policy.metadata.name);
      return edit === undefined ? policy : (edit.after ?? []);
    });
    return [edited];
  }
}

function textOf(labels: StringMap = {}): string {
  return canonicalJSON(labels);
}

function mapAt<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const found = maps.get(key) ?? new Map<L, V>();
  maps.set(key, found);
  return found;
}
