/** A rollout without a cluster: namespaces that are reconciled when a test says so, and a clock that it moves. */
import type { ProfileSpec, SegmentationProfile } from '../../src/api/profile.ts';
import { advance, initialState, type Next, type Progress } from '../../src/rollout/advance.ts';
import { type Assignment, assign, type RolloutState } from '../../src/rollout/assign.ts';
import type { GateInput } from '../../src/rollout/gates.ts';
import { intentOf, type Revision } from '../../src/rollout/revision.ts';
import { profile } from '../policy/fixture.ts';

type Rollout = NonNullable<ProfileSpec['rollout']>;

/** The content of a namespace: the number of a revision, 0 for nothing, or what it had before the first rollout. */
type Has = number | 'unrecorded';

export class Scene {
  readonly revisions = new Map<number, Revision>();
  readonly namespaces = new Map<string, Readonly<Record<string, string>>>();
  /** The revision that each namespace was reconciled with last; 0: nothing. */
  readonly has = new Map<string, Has>();
  /** Namespaces that can't be enforced with a revision. */
  readonly broken = new Set<`${string}:${number}`>();
  gates: GateInput = { workloads: { kind: 'off' }, queries: new Map() };
  profile: SegmentationProfile;
  now = Date.parse('2026-11-30T00:00:00Z');

  constructor(rollout: Partial<Rollout>, names: readonly string[], spec: Partial<ProfileSpec> = {}) {
    const complete: Rollout = {
      waves: [],
      deadline: '10m',
      onFailure: 'Rollback',
      paused: false,
      ...rollout,
    };
    this.profile = profile({ ...spec, rollout: complete });
    for (const name of names) this.namespaces.set(name, { 'kubernetes.io/metadata.name': name });
  }

  get state(): RolloutState {
    const { status } = this.profile;
    return status?.rollout ?? initialState(this.profile, this.#hasPolicies, this.now);
  }

  get #hasPolicies(): boolean {
    return [...this.has.values()].some((each) => each !== 0);
  }

  /** Changes the spec. */
  edit(spec: Partial<ProfileSpec>): this {
    this.profile = { ...this.profile, spec: { ...this.profile.spec, ...spec } };
    return this;
  }

  editRollout(rollout: Partial<Rollout>): this {
    return this.edit({ rollout: { ...this.profile.spec.rollout!, ...rollout } });
  }

  annotate(name: string, value: string): this {
    const { metadata } = this.profile;
    this.profile = { ...this.profile, metadata: { ...metadata, annotations: { [name]: value } } };
    return this;
  }

  label(name: string, labels: Readonly<Record<string, string>>): this {
    this.namespaces.set(name, labels);
    return this;
  }

  wait(minutes: number): this {
    this.now += minutes * 60_000;
    return this;
  }

  /** The content that the function of assignment gives the namespace now. */
  assigned(name: string): Assignment {
    const labels = this.namespaces.get(name) ?? {};
    return assign(this.state, this.revisions, { name, labels }, this.profile.metadata.name);
  }

  /** The number of the revision that each namespace is to have; 0: none. */
  get assignments(): Record<string, number | string> {
    const entries = [...this.namespaces.keys()].map((name) => {
      const found = this.assigned(name);
      return [name, found.kind === 'revision' ? found.revision.number : found.kind] as const;
    });
    return Object.fromEntries(entries);
  }

  /** Reconciles namespaces; by default all. */
  reconcile(names: Iterable<string> = this.namespaces.keys()): this {
    for (const name of names) {
      const found = this.assigned(name);
      if (found.kind === 'revision') this.has.set(name, found.revision.number);
      else if (found.kind === 'nothing') this.has.set(name, 0);
    }
    return this;
  }

  get progress(): Progress[] {
    return [...this.namespaces].map(([name, labels]): Progress => {
      const has = this.has.get(name);
      if (typeof has !== 'number' || has === 0) return { name, labels, state: 'pending' };
      const state = this.broken.has(`${name}:${has}`) ? 'failed' : 'applied';
      return { name, labels, revision: has, state, ...(state === 'failed' && { message: 'it is broken' }) };
    });
  }

  /** Judges the status once, and records the state and a revision that is asked for. */
  judge(convergence: 'converged' | 'differs' | 'unknown' = 'differs'): Next {
    const { revisions, progress, now } = this;
    const { gates } = this;
    const next = advance(this.state, { profile: this.profile, revisions, progress, convergence, gates, now });
    if (next.record !== undefined) {
      const { spec } = this.profile;
      const revision = { number: next.record, intent: intentOf(spec), waves: spec.rollout!.waves };
      this.revisions.set(next.record, revision);
    }
    const status = { observedGeneration: 1, ...this.profile.status, rollout: next.state };
    this.profile = { ...this.profile, status };
    return next;
  }

  /** Judges and reconciles until nothing changes any more at this time. */
  settle(): this {
    for (let before = ''; before !== this.#text; ) {
      before = this.#text;
      this.judge();
      this.reconcile();
    }
    return this;
  }

  get #text(): string {
    return JSON.stringify([this.state, [...this.has], this.revisions.size]);
  }
}
