/**
 * Verdicts of the policies of one class of pods about every other class, in one direction and family of addresses. Classes that
 * the same peers select are decided about once, so that the rows of a large cluster cost little more than its rules. Pure.
 */
import type { PolicyType } from '../../api/network-policy.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { networkPodOf, type Pod } from '../cluster.ts';
import type { PodClass } from './pod-classes.ts';
import { hasNames } from './ports.ts';
import type { CompiledPeer } from './rules.ts';

export interface ClassRowsOptions<T> {
  readonly direction: PolicyType;
  readonly family: IPFamily;
  readonly peerKeys: ReadonlyMap<CompiledPeer, string>;
  /** Decides by the policies of one class about another one. */
  readonly decide: (own: PodClass, other: PodClass) => T;
}

interface Row<T> {
  /** For each class the number of a set of classes that are alike for the policies of the row. */
  readonly sets: Uint16Array | Uint32Array;
  /** By number of the set. */
  readonly decided: (T | undefined)[];
}

const MAX_UINT16 = 0xffff;

export class ClassRows<T extends object> {
  readonly #classes: readonly PodClass[];
  readonly #options: ClassRowsOptions<T>;
  /** The classes that each peer selects, by the key of the peer. */
  readonly #selected: ReadonlyMap<string, readonly number[]>;
  /** By class. Classes with equal policies share a row. */
  readonly #rows: (Row<T> | undefined)[];
  readonly #byPolicies = new Map<string, Row<T>>();

  constructor(classes: readonly PodClass[], options: ClassRowsOptions<T>) {
    this.#classes = classes;
    this.#options = options;
    this.#selected = selectedClasses(classes, options.family);
    this.#rows = classes.map(() => undefined);
  }

  /** @param own the index of the class whose policies decide @param other the index of the class at the other end */
  at(own: number, other: number): T | undefined {
    const row = this.#rows[own] ?? this.#rowOf(own);
    const set = row?.sets[other];
    if (row === undefined || set === undefined) return undefined;
    return row.decided[set] ?? this.#decide(row, set, [own, other]);
  }

  #decide(row: Row<T>, set: number, [own, other]: readonly [number, number]): T | undefined {
    const [a, b] = [this.#classes[own], this.#classes[other]];
    if (a === undefined || b === undefined) return undefined;
    return (row.decided[set] = this.#options.decide(a, b));
  }

  #rowOf(index: number): Row<T> | undefined {
    const own = this.#classes[index];
    if (own === undefined) return undefined;
    const key = own.policyKeys[this.#options.direction];
    let row = this.#byPolicies.get(key);
    if (row === undefined) this.#byPolicies.set(key, (row = { sets: this.#setsFor(own), decided: [] }));
    return (this.#rows[index] = row);
  }

  /** Divides the classes by each peer of the rules in turn. */
  #setsFor({ selecting }: PodClass): Row<T>['sets'] {
    const { direction, peerKeys } = this.#options;
    const rules = selecting[direction].flatMap((policy) => policy[direction] ?? []);
    const keys = new Set(
      rules.flatMap(({ peers }) => (peers === 'any' ? [] : peers.map((peer) => peerKeys.get(peer) ?? ''))),
    );
    const division = new Division(this.#classes.length);
    for (const key of keys) {
      const chosen = this.#selected.get(key);
      if (chosen !== undefined) division.split(chosen);
    }
    // A named port of egress is resolved at the other end.
    if (direction === 'Egress' && rules.some(hasNames)) {
      const byPorts = Map.groupBy(this.#classes.keys(), (other) => portsKey(this.#classes[other]?.pod));
      for (const chosen of byPorts.values()) division.split(chosen);
    }
    return division.sets();
  }
}

/** Numbers classes by the sets that they are in. */
class Division {
  readonly #sets: Uint32Array;
  #count = 1;

  constructor(size: number) {
    this.#sets = new Uint32Array(size);
  }

  /** Divides each set into the members among these classes, and the others. */
  split(chosen: readonly number[]): void {
    const moved = new Map<number, number>();
    for (const each of chosen) {
      const set = this.#sets[each] ?? 0;
      let next = moved.get(set);
      if (next === undefined) moved.set(set, (next = this.#count++));
      this.#sets[each] = next;
    }
  }

  sets(): Uint16Array | Uint32Array {
    return this.#count > MAX_UINT16 ? this.#sets : Uint16Array.from(this.#sets);
  }
}

function selectedClasses(classes: readonly PodClass[], family: IPFamily): ReadonlyMap<string, number[]> {
  const selected = new Map<string, number[]>();
  for (const [index, { peers }] of classes.entries())
    for (const [key, families] of peers) {
      if (!families.includes(family)) continue;
      const known = selected.get(key);
      if (known === undefined) selected.set(key, [index]);
      else known.push(index);
    }
  return selected;
}

function portsKey(pod: Pod | undefined): string {
  const destination = pod && networkPodOf({ kind: 'pod', pod });
  return destination === undefined ? '' : JSON.stringify(destination.ports ?? []);
}
