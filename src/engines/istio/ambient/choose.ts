/**
 * Chooses which wanted passages the entrances and permits of a namespace can stand for, and in which order. Pure.
 *
 * A mesh tells pods by namespace and ServiceAccount, and a NetworkPolicy by labels. Two wanted passages exclude each other if
 * pods of the one would get ports of the other. Then the one that passes already stays, or the first, and the other is left
 * out.
 *
 * While the objects change from the observed to the chosen ones, at each moment
 *   I1 never wider: what passes is wanted, or passed before;
 *   I2 never cut:   what is chosen and passed before still passes. A passage that has to wait keeps its common part with what
 *                   passes now, and one that is left out keeps what stands for it.
 */
import { TUNNEL_RULE } from '../../../policy/tunnel-rule.ts';
import {
  common,
  type Entrance,
  entranceKey,
  isWithin,
  type LabelsOf,
  type Passage,
  passageKey,
  type Permit,
  through,
} from './passages.ts';

/** A passage that the NetworkPolicies of the namespace ask for, with its identity. */
export interface WantedPassage extends Passage {
  readonly permit: Permit;
  /** The rule that it is of, for messages. */
  readonly rule: string;
  readonly profile: string;
  /** The exception that the rule is of; absent for a rule of the profile. */
  readonly exception?: string | undefined;
  /** False if the NetworkPolicies open the tunnel's port by themselves, as rules without ports do. */
  readonly needsEntrance: boolean;
}

/** The entrance of a profile or, within it, of an exception, with which it ends. */
export interface OwnEntrance extends Entrance {
  readonly profile: string;
  readonly exception?: string | undefined;
}

export interface OwnPermit extends Permit {
  readonly profile: string;
}

export interface Observed {
  /** The entrances of tunnel policies. */
  readonly entrances: readonly OwnEntrance[];
  /** The entrances of rules that open the tunnel's port by themselves. */
  readonly openRules: readonly Entrance[];
  /** The entrances of covers, which stand only while the isolation of the namespace begins or ends. */
  readonly covers: readonly Entrance[];
  readonly permits: readonly OwnPermit[];
  /** True if the permits restrict the namespace, and nothing else allows everything. */
  readonly isRestricted: boolean;
  /** True if the mesh has accepted all observed permits in their present form. */
  readonly isAccepted: boolean;
}

export interface Exclusion {
  readonly wanted: WantedPassage;
  readonly by: WantedPassage;
}

export interface Choice {
  readonly entrances: readonly OwnEntrance[];
  readonly permits: readonly OwnPermit[];
  /** Wanted passages that exclude a chosen one. */
  readonly excluded: readonly Exclusion[];
  /** A rule that is left out, and whose connections pass now but would be cut by any overlay; undefined if there is none. */
  readonly unpermitted: string | undefined;
  /** Chosen passages without their entrance: the mesh has not accepted the permits, or others have to close first. */
  readonly waiting: readonly WantedPassage[];
  /** False if passages wait for others to close. Entrances that all stay close for none. */
  readonly isSettled: boolean;
  /** The connections that pass now, apart from covers. */
  readonly passing: readonly Passage[];
  /** The connections that covers let pass: they are kept as any others, but the cover itself goes. */
  readonly covered: readonly Passage[];
}

export interface ChoiceContext {
  readonly labelsOf: LabelsOf;
  /** The permit for a part of a wanted passage; undefined if it can't be said. */
  readonly permitFor: (passage: Passage) => Permit | undefined;
  readonly standingOf: (profile: string) => Standing | undefined;
}

/** A profile by whether its entrances and permits begin, stay or go. */
export type Standing =
  /** The profile asks for entrances. */
  | 'asking'
  /** It has none, whatever its rules open by themselves: entrances that it had close. */
  | 'enforced'
  /** All of its objects stay as they are. */
  | 'held'
  /** Its entrances close, and its permits go. */
  | 'leaving';

/** The permit that stands where nothing restricts. */
const UNRESTRICTED: Permit = { pods: {}, identity: { namespaces: 'any' }, ports: 'every' };

export interface Wishes {
  /** In the order in which they take precedence. */
  readonly passages: readonly WantedPassage[];
  /** Passages that can't be said by identities. */
  readonly unsayable: readonly {
    readonly profile: string;
    readonly exception?: string | undefined;
    readonly rule: string;
    readonly entrance: Entrance;
  }[];
}

export function choose(
  { passages: wanted, unsayable }: Wishes,
  observed: Observed,
  context: ChoiceContext,
): Choice {
  const { labelsOf } = context;
  const inForce = observed.isRestricted ? observed.permits : [UNRESTRICTED];
  const entrances = [...observed.entrances, ...observed.openRules];
  const own = connections(entrances, inForce);
  const covered = connections(observed.covers, inForce);
  const passing = [...own, ...covered];
  const { chosen, excluded } = withoutConflicts(wanted, passing, labelsOf);
  const allowed = [...wanted, ...passing.filter((each) => !isWithin(each, wanted, labelsOf))];
  const isSafe = (entrances: readonly Entrance[], permits: readonly Permit[]) =>
    connections(entrances, permits).every((each) => isWithin(each, allowed, labelsOf));
  const permitted = chosen.filter(({ permit }) => isSafe(entrances, [permit]));
  const open = new Set(entrances.map(entranceKey));
  const isAccepted = (each: WantedPassage) =>
    observed.isAccepted && passesBy(each, connections([each], observed.permits), labelsOf);
  const opened = chosen.filter(
    (each) =>
      each.needsEntrance && (open.has(entranceKey(each)) || (isAccepted(each) && isSafe([each], inForce))),
  );
  const waiting = chosen.filter((each) => each.needsEntrance && !opened.includes(each));
  const late = chosen.filter((each) => waiting.includes(each) || !permitted.includes(each));
  const parts = late.flatMap((each) => partsOf(each, passing));
  const bridges = parts.flatMap((part) => {
    const permit = context.permitFor(part);
    return permit === undefined ? [] : [{ ...part, permit }];
  });
  const unsaid = parts.filter((part) => context.permitFor(part) === undefined);
  const leftOut = [
    ...excluded.map((each) => each.wanted),
    ...unsayable.map(({ entrance, ...owner }) => ({ ...entrance, ...owner })),
  ];
  const held = heldEntrances(leftOut, observed, { wanted, inForce, ...context });
  const first = firstPermits(leftOut, observed, { passing: { own, covered }, ...context });
  const next = [...opened, ...parts, ...held].filter(
    ({ profile }) => context.standingOf(profile) === 'asking',
  );
  return {
    entrances: next,
    permits: [
      ...[...permitted, ...bridges].map(({ permit, profile }) => ({ ...permit, profile })),
      ...first.permits,
      // A part that can't be said by a permit of its own keeps those by which it passes.
      ...heldPermits([...held, ...leftOut, ...unsaid], observed.permits, context),
    ],
    excluded,
    unpermitted: first.unpermitted,
    waiting,
    isSettled:
      allStay(next, observed, wanted) || (permitted.length === chosen.length && !waiting.some(isAccepted)),
    passing: own,
    covered,
  };
}

/** True if the overlay stands, and the NetworkPolicies close nothing on the way to these entrances. */
function allStay(
  next: readonly OwnEntrance[],
  { entrances, openRules, covers, isRestricted }: Observed,
  wanted: readonly WantedPassage[],
): boolean {
  const keysOf = (each: readonly OwnEntrance[]) => new Set(each.map(ownedKey));
  const open = new Set(wanted.filter(({ needsEntrance }) => !needsEntrance).map(entranceKey));
  return (
    isRestricted &&
    covers.length === 0 &&
    openRules.every((each) => open.has(entranceKey(each))) &&
    keysOf(next).symmetricDifference(keysOf(entrances)).size === 0
  );
}

interface LeftOut extends OwnEntrance {
  readonly rule: string;
}

interface FirstPermits extends Pick<Choice, 'unpermitted'> {
  readonly permits: readonly OwnPermit[];
}

interface FirstContext extends Pick<ChoiceContext, 'permitFor' | 'standingOf'> {
  readonly passing: { readonly own: readonly Passage[]; readonly covered: readonly Passage[] };
}

/**
 * The permits for connections that pass while nothing restricts, and that are of rules which are left out or by entrances of
 * held profiles: when an overlay begins, it would cut them. A permit for all that passes by the same entrance stands for what
 * can't be said.
 */
function firstPermits(
  leftOut: readonly LeftOut[],
  { entrances, isRestricted }: Observed,
  { passing: { own, covered }, permitFor, standingOf }: FirstContext,
): FirstPermits {
  const permits: OwnPermit[] = [];
  let unpermitted: string | undefined;
  if (isRestricted) return { permits, unpermitted };
  const held = entrances.filter(({ profile }) => standingOf(profile) === 'held');
  for (const { rule, profile, ...entrance } of [
    ...leftOut,
    ...held.map((each) => ({ ...each, rule: TUNNEL_RULE })),
  ])
    for (const passing of [...own, ...covered]) {
      const part = common(passing, { ...entrance, ports: 'every' });
      if (part === undefined) continue;
      const permit = permitFor(part) ?? (own.includes(passing) ? permitFor(passing) : undefined);
      if (permit === undefined) unpermitted ??= rule;
      else permits.push({ ...permit, profile });
    }
  return { permits, unpermitted };
}

/**
 * The entrances that may stand for a passage that is left out: they stay, also if the rule that opened them does so no more. A
 * cover is open to everyone, so that only its part in the passage stays.
 */
function heldEntrances(
  leftOut: readonly LeftOut[],
  { entrances, openRules, covers }: Observed,
  { wanted, inForce, standingOf }: HeldContext,
): OwnEntrance[] {
  const stillOpen = new Set(wanted.filter((each) => !each.needsEntrance).map(entranceKey));
  const closing = openRules.filter((each) => !stillOpen.has(entranceKey(each)));
  const partsIn = (each: Entrance, others: readonly LeftOut[]) =>
    others.flatMap((other) => partIn(each, other) ?? []);
  return [
    ...entrances.flatMap((each) => {
      const others = leftOut.filter((other) => areTouching(each, other));
      // The entrance of an exception ends with it, and that of a profile too: only its part in other rules stays, for these.
      const isOwn =
        !CLOSING.has(standingOf(each.profile)) &&
        (each.exception === undefined || others.some((other) => other.exception === each.exception));
      return isOwn ? (others.length > 0 ? [each] : []) : partsIn(each, others);
    }),
    ...closing.flatMap((each) => {
      const other = leftOut.find((one) => standingOf(one.profile) === 'asking' && areTouching(each, one));
      return other === undefined ? [] : [owned(each, other)];
    }),
    ...covers
      .flatMap((each) => partsIn(each, leftOut))
      .filter((part) => connections([part], inForce).length > 0),
  ];
}

const CLOSING: ReadonlySet<Standing | undefined> = new Set<Standing>(['enforced', 'leaving']);

interface HeldContext extends Pick<ChoiceContext, 'standingOf'> {
  readonly wanted: readonly WantedPassage[];
  readonly inForce: readonly Permit[];
}

/** The permits by which these entrances let something pass. One of a profile that leaves is then for the owner of the entrance. */
function heldPermits(
  entrances: readonly OwnEntrance[],
  permits: readonly OwnPermit[],
  { standingOf }: Pick<ChoiceContext, 'standingOf'>,
): OwnPermit[] {
  return permits.flatMap((permit) => {
    const users = entrances.filter((each) => connections([each], [permit]).length > 0);
    if (standingOf(permit.profile) !== 'leaving') return users.length === 0 ? [] : [permit];
    return users.map(({ profile }) => ({ ...permit, profile }));
  });
}

function owned({ pods, source }: Entrance, { profile, exception }: OwnEntrance): OwnEntrance {
  return { pods, source, profile, exception };
}

/** Equal for the same entrance of the same owner. */
export function ownedKey(entrance: OwnEntrance): string {
  return `${entrance.profile} ${entrance.exception ?? ''} ${entranceKey(entrance)}`;
}

/** The part of an entrance that another one is for too, as an entrance of the owner of the other one; undefined if there is none. */
export function partIn(each: Entrance, other: OwnEntrance): OwnEntrance | undefined {
  const both = common({ ...each, ports: 'every' }, { ...other, ports: 'every' });
  return both && owned(both, other);
}

function areTouching(a: Entrance, b: Entrance): boolean {
  return common({ ...a, ports: 'every' }, { ...b, ports: 'every' }) !== undefined;
}

function connections(entrances: readonly Entrance[], permits: readonly Permit[]): Passage[] {
  const all = entrances.flatMap((entrance) => permits.flatMap((permit) => through(entrance, permit)));
  return [...new Map(all.map((each) => [passageKey(each), each])).values()];
}

/** Passages that pass already come first, so that a new one never takes their place; new ones of exceptions come last. */
function withoutConflicts(
  wanted: readonly WantedPassage[],
  passing: readonly Passage[],
  labelsOf: LabelsOf,
): { readonly chosen: readonly WantedPassage[]; readonly excluded: readonly Exclusion[] } {
  const rank = (each: WantedPassage) => {
    if (!each.needsEntrance) return 0;
    if (passesBy(each, passing, labelsOf)) return 1;
    return each.exception === undefined ? 2 : 3;
  };
  const ordered = wanted.map((each) => [rank(each), each] as const).sort(([a], [b]) => a - b);
  const chosen: WantedPassage[] = [];
  const excluded: Exclusion[] = [];
  for (const [, each] of ordered) {
    const by = chosen.find((other) => leaks(each, other) || leaks(other, each));
    if (by === undefined) chosen.push(each);
    else excluded.push({ wanted: each, by });
  }
  return { chosen, excluded };

  function leaks(entrance: WantedPassage, { permit }: WantedPassage): boolean {
    return through(entrance, permit).some((each) => !isWithin(each, wanted, labelsOf));
  }
}

/**
 * True if the connections from each namespace that the wanted passage means are within `allowed`: a permit names these one by
 * one.
 */
function passesBy(wanted: WantedPassage, allowed: readonly Passage[], labelsOf: LabelsOf): boolean {
  return through(wanted, wanted.permit).every((each) => isWithin(each, allowed, labelsOf));
}

/** The parts of a wanted passage that pass now. */
function partsOf(wanted: WantedPassage, passing: readonly Passage[]): (Passage & OwnEntrance)[] {
  return passing.flatMap((each) => {
    const part = common(wanted, each);
    return part === undefined ? [] : [{ ...part, profile: wanted.profile, exception: wanted.exception }];
  });
}
