/** The policies of exceptions as they were compiled last, compared with the cached ones. No I/O. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import {
  compileException,
  type CompiledException,
  type ExceptionContext,
  type Granted,
} from '../../policy/exceptions/compile.ts';
import type { UnresolvedPeer } from '../../policy/rules.ts';
import type { Verdict } from '../../policy/exceptions/judge.ts';
import { fingerprint } from '../../policy/semantics/normalize.ts';
import type { AdditionContext } from '../namespace/additions.ts';
import type { ExceptionItem } from './items.ts';
import type { PolicyState } from './status.ts';

/** The part of a compilation that is remembered: no policy. */
interface Record extends Pick<CompiledException, 'unresolved' | 'excess'> {
  /** The exception's resource version does not matter, but its spec and end do. */
  readonly form: string;
  readonly fingerprints: readonly string[];
  readonly text: string;
}

export class CompiledExceptions {
  readonly #clusterState: ClusterState;
  /** By the key of the exception. */
  readonly #records = new Map<string, Record>();

  /** The peers that the tunnel of the mesh does not carry, by the key of the exception. */
  readonly #tunnelled = new Map<string, readonly UnresolvedPeer[]>();

  constructor(clusterState: ClusterState) {
    this.#clusterState = clusterState;
  }

  /** `isChanged`: true if the exception compiles to something else than before. */
  compile(
    item: ExceptionItem,
    granted: Granted,
    {
      namespace,
      facts,
      lastKnown,
      isLookedAt = false,
    }: AdditionContext & { readonly namespace: NamespaceItem },
  ): { readonly compiled: CompiledException; readonly isChanged: boolean } {
    const context: ExceptionContext = {
      namespace: { name: namespace.key, labels: namespace.labels },
      cluster: facts,
      lastKnown,
    };
    const compiled = compileException(item.exception, granted, context);
    if (isLookedAt) return { compiled, isChanged: false };
    const { policies, unresolved, excess } = compiled;
    // The namespace compiles the exception again, with the last known peers.
    if (unresolved.length > 0 && lastKnown === undefined) return { compiled, isChanged: false };
    const form = formOf(item, granted.end);
    const fingerprints = policies.map(fingerprint);
    const text = JSON.stringify([form, fingerprints, unresolved, excess]);
    const isChanged = this.#records.get(item.key)?.text !== text;
    this.#records.set(item.key, {
      form,
      fingerprints,
      unresolved,
      ...(excess !== undefined && { excess }),
      text,
    });
    return { compiled, isChanged };
  }

  /** @returns true if that has changed */
  tunnelled(key: string, unresolved: readonly UnresolvedPeer[]): boolean {
    const isChanged = JSON.stringify(this.#tunnelled.get(key) ?? []) !== JSON.stringify(unresolved);
    if (unresolved.length > 0) this.#tunnelled.set(key, unresolved);
    else this.#tunnelled.delete(key);
    return isChanged;
  }

  /** True if the cache has the policy, written for this exception and not for an earlier one of its name. */
  exists({ metadata: { namespace, name } }: NetworkPolicy, { uid }: ExceptionItem): boolean {
    const cached = this.#clusterState.policies.get(`${namespace}/${name}`);
    if (cached?.content === undefined) return cached !== undefined;
    return cached.content.ownerReferences?.some((reference) => reference.uid === uid) ?? false;
  }

  /**
   * The state of the policies of an exception; undefined if it is in force and was not compiled in its present form yet.
   *
   * @param hasPolicies true if a policy of the exception is cached
   */
  stateOf(item: ExceptionItem, verdict: Verdict, hasPolicies: boolean): PolicyState | undefined {
    if (verdict.kind !== 'in-force') return { desired: 0, isInPlace: !hasPolicies, unresolved: [] };
    const record = this.#records.get(item.key);
    if (record === undefined || record.form !== formOf(item, verdict.end)) return undefined;
    const { fingerprints, unresolved, excess } = record;
    const { namespace = '' } = item.exception.metadata;
    const cached = new Set(
      [...this.#clusterState.policies.byNamespace(namespace)].map((each) => each.fingerprint),
    );
    const isInPlace = fingerprints.every((each) => cached.has(each));
    const all = [...unresolved, ...(this.#tunnelled.get(item.key) ?? [])];
    return { desired: fingerprints.length, isInPlace, unresolved: all, excess };
  }

  forget(key: string): void {
    this.#records.delete(key);
    this.#tunnelled.delete(key);
  }
}

function formOf({ uid, exception }: ExceptionItem, end: number): string {
  return `${uid} ${exception.metadata.generation} ${end}`;
}
