/** Remembers which flows the writes of a rollout closed in its namespaces, for the message of a failure. Bounded. No I/O. */
import { LABEL_PROFILE } from '../../api/names.ts';
import { summarizeChange } from '../../policy/planning/change-summary.ts';
import { shortList } from '../../util/list-text.ts';
import type { PolicyWrite } from '../observer.ts';

/** Namespaces of a profile that are remembered, at most. */
const MAX_NAMESPACES = 200;
/** Flows of a namespace that are remembered, at most; a message names fewer. */
const MAX_FLOWS = 20;
const NAMED = 3;

export class ClosedFlows {
  /** By profile, then by namespace. */
  readonly #closed = new Map<string, Map<string, Set<string>>>();

  note({ step, before, after }: Pick<PolicyWrite, 'step' | 'before' | 'after'>): void {
    const { labels = {}, namespace = '' } = (after ?? before)?.metadata ?? {};
    const profile = labels[LABEL_PROFILE];
    if (profile === undefined || step.reason === 'transition') return;
    const removed = summarizeChange(before, after).removed ?? [];
    const isNew =
      before === undefined && after?.spec.ingress === undefined && after?.spec.egress === undefined;
    const flows = isNew ? ['all that its policies do not allow, as it was not isolated'] : removed;
    if (flows.length === 0) return;
    let namespaces = this.#closed.get(profile);
    if (namespaces === undefined) this.#closed.set(profile, (namespaces = new Map()));
    let known = namespaces.get(namespace);
    if (known === undefined && namespaces.size >= MAX_NAMESPACES) return;
    if (known === undefined) namespaces.set(namespace, (known = new Set()));
    for (const flow of flows) if (known.size < MAX_FLOWS) known.add(flow);
  }

  /** A new revision of the profile begins, or the rollout has ended. */
  forget(profile: string): void {
    this.#closed.delete(profile);
  }

  /** The flows as a text; undefined if none is known. */
  text(profile: string, namespace: string): string | undefined {
    const flows = this.#closed.get(profile)?.get(namespace);
    return flows && `closed there since the rollout began: ${shortList([...flows], { most: NAMED })}`;
  }
}
