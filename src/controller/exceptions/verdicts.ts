/** The verdicts on exceptions, which exceptions were read live, and if a verdict has changed. No I/O. */
import type { SegmentationException } from '../../api/exception.ts';
import { HeldForms } from '../../cluster-state/held-forms.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { Store } from '../../kube/watch/store.ts';
import { judge, type Verdict } from '../../policy/exceptions/judge.ts';
import type { Clock } from '../../util/clock.ts';
import { type ExceptionItem, formOf } from './items.ts';

export interface VerdictsOptions {
  readonly items: Store<ExceptionItem>;
  readonly clusterState: ClusterState;
  readonly clock: Pick<Clock, 'now'>;
}

export class Verdicts {
  readonly #options: VerdictsOptions;
  readonly #heldForms: HeldForms;
  /** The exceptions that were read live, by key, each with its uid and generation. */
  readonly #confirmed = new Map<string, string>();
  /** The verdicts of each namespace as one text, by namespace. */
  readonly #judged = new Map<string, string>();

  constructor(options: VerdictsOptions) {
    this.#options = options;
    this.#heldForms = new HeldForms(options.clusterState);
  }

  /** Empty while it is only being read which revision of a profile the namespace has: the status stays as it is until then. */
  in(namespace: NamespaceItem): ReadonlyMap<ExceptionItem, Verdict> {
    const { items, clusterState, clock } = this.#options;
    const byException = new Map<SegmentationException, ExceptionItem>();
    for (const item of items.byNamespace(namespace.key)) byException.set(item.exception, item);
    if (byException.size === 0 || this.isBeingRead(namespace)) return new Map();
    // A rollout holds a profile also in namespaces that it has nothing to do with.
    const inForce = clusterState.concerned(namespace).flatMap((profile) => {
      const { relation, profile: form } = clusterState.inForce(profile, namespace);
      if (relation === 'none') return [];
      return [relation === 'held' ? this.#heldForms.formIn(form, namespace.key) : form];
    });
    const verdicts = new Map<ExceptionItem, Verdict>();
    for (const [exception, verdict] of judge(byException.keys(), inForce, clock.now())) {
      const item = byException.get(exception);
      if (item !== undefined) verdicts.set(item, verdict);
    }
    return verdicts;
  }

  *all(): Generator<readonly [ExceptionItem, Verdict]> {
    for (const namespace of this.namespaces()) yield* this.in(namespace);
  }

  /** The namespaces that have exceptions. */
  namespaces(): NamespaceItem[] {
    const { items, clusterState } = this.#options;
    const names = new Set([...items.values()].map(({ exception }) => exception.metadata.namespace));
    return [...names].flatMap((name) => clusterState.namespaces.get(name ?? '') ?? []);
  }

  /** True while it is only being read which revision of a profile the namespace has. */
  isBeingRead(namespace: NamespaceItem): boolean {
    const { clusterState } = this.#options;
    return clusterState
      .concerned(namespace)
      .some((each) => clusterState.inForce(each, namespace).isBeingRead);
  }

  /** True if the exception was read live in its present form. */
  isConfirmed({ key, uid, exception }: ExceptionItem): boolean {
    return this.#confirmed.get(key) === formOf(uid, exception);
  }

  confirm({ key, uid, exception }: ExceptionItem): void {
    this.#confirmed.set(key, formOf(uid, exception));
  }

  /** Forgets that the exception was read live. */
  forget(key: string): void {
    this.#confirmed.delete(key);
  }

  /** True if a verdict in the namespace, or the form or confirmation of an exception there, differs from the last call. */
  follow(namespace: string, verdicts: ReadonlyMap<ExceptionItem, Verdict>): boolean {
    const judged = [...verdicts].map(([each, verdict]) => this.#textOf(each, verdict)).join('\n');
    if (judged === (this.#judged.get(namespace) ?? '')) return false;
    if (judged === '') this.#judged.delete(namespace);
    else this.#judged.set(namespace, judged);
    return true;
  }

  #textOf(item: ExceptionItem, verdict: Verdict): string {
    const profile = 'profile' in verdict ? verdict.profile.metadata.name : undefined;
    const end = 'end' in verdict ? verdict.end : undefined;
    // The reason of a refusal can change while it stays one.
    const message = 'message' in verdict ? verdict.message : undefined;
    const { exception, uid, key } = item;
    const { generation } = exception.metadata;
    const isConfirmed = this.isConfirmed(item);
    return JSON.stringify([key, uid, generation, verdict.kind, profile, end, message, isConfirmed]);
  }
}
