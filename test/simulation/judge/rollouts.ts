/**
 * Judges each state of a rollout that the operator records, by the model: waves come in order, each after the one before it
 * has the revision and its soak time is over; no more namespaces are let in at a time than the profile says; a wave whose
 * workloads broke does not end well; and what failed goes back.
 *
 * Only namespaces that kept their labels in the round are judged: the operator may know other labels than the model.
 */
import { ANNOTATION_PROMOTE } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { fingerprint } from '../../../src/policy/semantics/normalize.ts';
import type { RolloutState } from '../../../src/rollout/assign.ts';
import {
  intentOf as intentPart,
  type Revision as Recorded,
  sameIntent,
} from '../../../src/rollout/revision.ts';
import { nameOfWave, positionOf, waveOf } from '../../../src/rollout/waves.ts';
import { parseDuration } from '../../../src/util/duration.ts';
import { NAMESPACES, PROFILES } from '../schedule/actions.ts';
import { selects } from '../schedule/combination.ts';
import { isHeldPolicy } from '../schedule/forms.ts';
import { type Inputs, intentOf, type ProfileValue } from '../schedule/inputs.ts';
import { isOperator } from '../server/server.ts';
import type { Author, Revision } from '../server/storage.ts';
import type { GatedWave, GateJudge } from './gates.ts';

export interface RolloutJudgeOptions {
  readonly inputs: Inputs;
  /** Every state of the policies of a namespace in this round. */
  readonly seen: (namespace: string) => readonly (readonly NetworkPolicy[])[];
  readonly gates: GateJudge;
  /** Milliseconds since the simulation began. */
  readonly time: () => number;
}

/** A wave of the rollout of a revision. */
interface Place {
  readonly profile: SegmentationProfile;
  readonly revision: Recorded;
  readonly wave: number;
  /** The replica that has recorded the state. */
  readonly author: Author;
}

export class RolloutJudge {
  /** Waves that have ended. */
  waves = 0;
  /** True if nothing disturbs the operator in this round, so that it sees in time which workloads are unavailable. */
  isCalm = false;
  /** True if events are lost in this round, so that the operator may not know every namespace. */
  isLossy = false;
  readonly #options: RolloutJudgeOptions;
  /** `PROFILE REVISION/WAVE` of every promotion. */
  readonly #promoted = new Set<string>();
  /** When the state of a rollout was recorded last, by profile; milliseconds since the simulation began. */
  readonly #recordedAt = new Map<string, number>();

  constructor(options: RolloutJudgeOptions) {
    this.#options = options;
  }

  /** Describes the fault of a new state of a profile; undefined if there is none. */
  follow({ type, object, previous, author }: Revision): string | undefined {
    const [old, profile] = [previous, object] as unknown as (SegmentationProfile | undefined)[];
    const promotion = profile?.metadata.annotations?.[ANNOTATION_PROMOTE];
    if (promotion !== undefined) this.#promoted.add(`${profile?.metadata.name} ${promotion}`);
    if (type !== 'MODIFIED' || !isOperator(author) || profile === undefined) return undefined;
    const [before, after] = [old?.status?.rollout, profile.status?.rollout];
    if (before === undefined || after === undefined) return undefined;
    if (JSON.stringify(before) === JSON.stringify(after)) return undefined;
    const fault =
      this.#failureFault({ profile, author }, before, after) ??
      this.#progressFault({ profile, author }, before, after);
    this.#recordedAt.set(profile.metadata.name, this.#options.time());
    return fault && `rollout of ${profile.metadata.name}: ${fault}`;
  }

  /** Describes the failure that the gates of the profile's wave should have seen by now; undefined if there is none. */
  overdue(profile: SegmentationProfile): string | undefined {
    const { status, metadata, spec } = profile;
    const state = status?.rollout;
    const [top] = state?.inForce ?? [];
    const revision = top && this.#options.inputs.forms.revisionsOf(profile).get(top.revision);
    if (state === undefined || top?.wave === undefined || revision === undefined) return undefined;
    const isUnderWay = state.phase === 'Applying' || state.phase === 'Soaking';
    const isLatest =
      metadata.deletionTimestamp === undefined && sameIntent(revision.intent, intentPart(spec));
    if (!this.isCalm || !isUnderWay || !isLatest || spec.rollout?.paused !== false) return undefined;
    const { name } = metadata;
    const namespaces = this.#members({ profile, revision, wave: top.wave }).filter(
      (namespace) => positionOf(name, namespace) < (top.limit ?? 0),
    );
    const wave = this.#gatedWave(profile, state, namespaces);
    const broken = wave && this.#options.gates.overdue(wave);
    return broken && `rollout of ${name}: its gates have not failed, and ${broken}`;
  }

  /** Undefined without gates, or if they have changed in this round. */
  #gatedWave(
    profile: SegmentationProfile,
    { gates: recorded }: RolloutState,
    namespaces: readonly string[],
  ): GatedWave | undefined {
    const [rollout, ...others] = this.#specs(profile);
    const { gates, deadline = '' } = rollout ?? {};
    if (recorded === undefined || gates === undefined || others.length > 0) return undefined;
    const phaseAt = this.#recordedAt.get(profile.metadata.name) ?? 0;
    const deadlineMs = parseDuration(deadline) ?? Number.POSITIVE_INFINITY;
    return { gates, deadlineMs, recorded, namespaces, phaseAt };
  }

  #failureFault(
    { profile, author }: Pick<Place, 'profile' | 'author'>,
    before: RolloutState,
    after: RolloutState,
  ): string | undefined {
    if (before.phase === after.phase || before.revision !== after.revision) return undefined;
    const unfounded = this.#unfoundedFault({ profile, author }, after);
    if (unfounded !== undefined) return unfounded;
    const reactions = this.#specs(profile).map((rollout) => rollout?.onFailure);
    const below = before.inForce.slice(1);
    const canGoBack = before.base === 'Nothing' || (before.base === undefined && below.length > 0);
    if (after.phase === 'RolledBack') {
      if (reactions.every((each) => each === 'Pause')) return 'it goes back, and should pause';
      const isBack = JSON.stringify(after.inForce) === JSON.stringify(below);
      return isBack ? undefined : `it goes back to ${JSON.stringify(after.inForce)}`;
    }
    if (after.phase === 'Failed' && canGoBack && reactions.every((each) => each === 'Rollback'))
      return 'it has failed, and does not go back';
    return undefined;
  }

  /** Clocks that step may shorten the time for which a query has been broken, so only a calm round shows a fault. */
  #unfoundedFault(
    { profile, author }: Pick<Place, 'profile' | 'author'>,
    { failure }: RolloutState,
  ): string | undefined {
    const [rollout, ...others] = this.#specs(profile);
    const isOfQuery = failure?.reason === 'QueryOutOfBounds' || failure?.reason === 'QueryUnanswered';
    if (!this.isCalm || !isOfQuery || rollout?.gates === undefined || others.length > 0) return undefined;
    const deadlineMs = parseDuration(rollout.deadline) ?? Number.POSITIVE_INFINITY;
    const fault = this.#options.gates.unfoundedFault(rollout.gates, deadlineMs, author);
    return fault && `it has failed (${failure.reason}), ${fault}`;
  }

  #progressFault(
    { profile, author }: { readonly profile: SegmentationProfile; readonly author: Author },
    before: RolloutState,
    after: RolloutState,
  ): string | undefined {
    const [top] = after.inForce;
    const old = before.inForce[0];
    const revision = top && this.#options.inputs.forms.revisionsOf(profile).get(top.revision);
    if (top === undefined || revision === undefined || after.phase === 'RolledBack') return undefined;
    const isSame = old?.revision === top.revision;
    // Another revision that is in force everywhere needed no waves: `needsNoWaves` has its own tests.
    if ((isSame && old.wave === undefined) || (!isSame && top.wave === undefined)) return undefined;
    const from = isSame ? (old.wave ?? 0) : 0;
    const to = top.wave ?? revision.waves.length + 1;
    if (to < from) return `wave ${to} comes after wave ${from}`;
    if (isSame && to === from && (top.limit ?? 0) < (old.limit ?? 0)) return 'a namespace is taken back';
    for (let wave = from; wave < to; wave++) {
      const state = isSame && wave === from ? before : undefined;
      const fault = this.#endFault({ profile, revision, wave, author }, state);
      if (fault !== undefined) return `wave ${nameOfWave(revision.waves, wave)} has ended, ${fault}`;
    }
    if (top.wave === undefined) return undefined;
    const place = { profile, revision, wave: top.wave, author };
    const isOpened = isSame && to === from && (top.limit ?? 0) > (old.limit ?? 0);
    return (
      this.#parallelFault(place, top.limit ?? 0) ?? (isOpened ? this.#openFault(place, after) : undefined)
    );
  }

  /** Further namespaces were let in. */
  #openFault(place: Place, after: RolloutState): string | undefined {
    const members = this.#members(place);
    const [rollout, ...others] = this.#specs(place.profile);
    const isGated = others.length === 0 && members.length > 0 && rollout?.gates !== undefined;
    if (isGated && after.gates === undefined)
      return 'namespaces are let in before its gates have seen the wave';
    const wave = this.#gatedWave(place.profile, after, members);
    const fault = wave && this.isCalm ? this.#options.gates.openFault(wave.gates) : undefined;
    return fault && `further namespaces are let in, ${fault}`;
  }

  /** @param before the state in which the wave was under way; undefined if it was skipped */
  #endFault(place: Place, before: RolloutState | undefined): string | undefined {
    const { profile, revision, wave } = place;
    const promotions = ['*', nameOfWave(revision.waves, wave)];
    const { name } = profile.metadata;
    if (promotions.some((each) => this.#promoted.has(`${name} ${revision.number}/${each}`))) return undefined;
    const members = this.#members(place);
    if (members.length === 0) return undefined;
    this.waves += 1;
    if (before === undefined) return `and namespace ${members[0]} was skipped`;
    const lacking = members.find((namespace) => !this.#hasHad(place, namespace));
    if (lacking !== undefined) return `and namespace ${lacking} never had revision ${revision.number}`;
    const soakMs = parseDuration(revision.waves[wave]?.soak ?? '0m') ?? 0;
    const isSoaked =
      before.phase === 'Soaking' && this.#options.inputs.clock.latest >= Date.parse(before.since) + soakMs;
    if (soakMs > 0 && !isSoaked)
      return `${before.phase} since ${before.since}, and its soak time is not over`;
    const gated = this.#gatedWave(profile, before, members);
    if (gated === undefined) return undefined;
    const { gates } = this.#options;
    return this.isCalm ? gates.endFault(gated, place.author) : gates.unseenFault(gated.gates, place.author);
  }

  #parallelFault(place: Place, limit: number): string | undefined {
    const { profile, revision } = place;
    const most = Math.max(
      ...this.#specs(profile).map((rollout) => rollout?.maxParallel ?? Number.POSITIVE_INFINITY),
    );
    const { name } = profile.metadata;
    const reached = this.#members(place).filter((namespace) => positionOf(name, namespace) < limit);
    if (reached.length <= most) return undefined;
    const pending = reached.filter((namespace) => !this.#hasHad(place, namespace));
    if (pending.length <= most) return undefined;
    return `${pending.join()} are to get revision ${revision.number} at a time, and at most ${most} should`;
  }

  /** The namespaces of a wave, of those that kept their labels in this round. */
  #members({ profile, revision, wave }: Omit<Place, 'author'>): string[] {
    const { name } = profile.metadata;
    if (this.isLossy) return [];
    return NAMESPACES.filter((namespace) => {
      const [labels, ...others] = this.#options.inputs.values<Record<string, string> | undefined>(
        `labels ${namespace}`,
      );
      if (labels === undefined || others.length > 0) return false;
      if (!selects(profile, namespace, labels)) return false;
      return waveOf(revision.waves, { name: namespace, labels }, name) === wave;
    });
  }

  /** True if the namespace had the policies of the revision at any time in this round, for any of its inputs. */
  #hasHad({ profile, revision }: Place, namespace: string): boolean {
    const { inputs, seen } = this.#options;
    const { name } = profile.metadata;
    const index = PROFILES.indexOf(name);
    const combinations = inputs
      .combinations(namespace)
      .filter((each) => each.profiles[index]?.revision === revision.number);
    return seen(namespace)
      .toReversed()
      .some((policies) => {
        const own = policiesKey(policies.filter((each) => isHeldPolicy(each, name)));
        const lastKnown = lastKnownFrom(policies);
        return combinations.some((each) => {
          const intent = intentOf(each.profiles[index]?.profile, namespace, each, lastKnown);
          return policiesKey(intent?.policies ?? []) === own;
        });
      });
  }

  /** The rollout of the spec as it was in this round; different ones once. */
  #specs({ metadata }: SegmentationProfile): SegmentationProfile['spec']['rollout'][] {
    const values = this.#options.inputs.values<ProfileValue>(`profile ${metadata.name}`);
    const specs = values.flatMap(({ profile }) =>
      profile?.metadata.uid === metadata.uid ? [profile?.spec.rollout] : [],
    );
    return [...new Map(specs.map((each) => [JSON.stringify(each), each])).values()];
  }
}

function policiesKey(policies: readonly NetworkPolicy[]): string {
  return policies.map(fingerprint).sort().join();
}
