/** Patches that keep the flows that would be cut: connections and policies, one patch for each profile. Pure. */
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import type { Connection } from '../../../api/profile.ts';
import { suggest, type Suggestions } from '../explain/suggestions.ts';
import { obstacleText } from '../explain/suggestion-output.ts';
import { numberText } from '../../flows/log-text.ts';
import { addressTotal } from '../../flows/text.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import type { FlowOutcome } from './outcomes.ts';

/** Most addresses that a connection lists, as the ends of a side have this bound. */
const MAX_ADDRESSES = 20;
/** Most pairs of ends for which something is proposed: a profile has no more connections. */
const MAX_PAIRS = 64;
/** Flows with many addresses that notes name. */
const MAX_NAMED = 5;

export interface Keeping extends Suggestions {
  /** Flows for which nothing can be proposed, and why. */
  readonly remarks: readonly string[];
}

export function keepCut(
  cut: readonly FlowOutcome[],
  snapshot: Snapshot,
  policies: readonly NetworkPolicy[],
): Keeping {
  const isMany = ({ group: { from, to } }: FlowOutcome) =>
    [from, to].some((end) => end.kind === 'addresses' && (end.hasMore || end.ips.size > MAX_ADDRESSES));
  const pairs = Map.groupBy(
    cut.filter((each) => !isMany(each)),
    ({ group: { source, destination } }) => `${source.label} ${destination.label}`,
  );
  const kept = [...pairs.values()].slice(0, MAX_PAIRS);
  const left = pairs.size - kept.length;
  const answers = kept.flat().flatMap((each) => each.answers);
  const { suggestions, obstacles } = suggest(answers, snapshot, policies);
  const many = cut.filter(isMany);
  const named = many
    .slice(0, MAX_NAMED)
    .map(
      ({ group: { source, destination, from, to } }) =>
        `no connection is proposed for ${source.label} → ${destination.label}: it is with ${addressTotal(from.kind === 'addresses' ? from : to)} addresses; allow a range of them, or the entity World`,
    );
  const others =
    many.length > MAX_NAMED
      ? [`nor is one proposed for ${numberText(many.length - MAX_NAMED)} more flows with many addresses`]
      : [];
  const rest =
    left > 0
      ? [
          `connections are proposed for the ${MAX_PAIRS} pairs that were seen most, and not for ${numberText(left)} more: suggest proposes a profile for all`,
        ]
      : [];
  return {
    suggestions,
    obstacles,
    remarks: [...new Set([...rest, ...named, ...others, ...obstacles.map(obstacleText)])],
  };
}

export interface ProfilePatch {
  readonly profile: string;
  /** RFC 6902, for `kubectl patch --type=json`. */
  readonly patch: readonly { readonly op: 'add'; readonly path: string; readonly value: unknown }[];
}

/** The proposed connections as one patch for each profile. */
export function patchesOf({ suggestions }: Suggestions, snapshot: Snapshot): ProfilePatch[] {
  const connections = new Map<string, Connection[]>();
  for (const { remedy } of suggestions) {
    if (remedy.kind !== 'connection') continue;
    const list = connections.get(remedy.profile) ?? [];
    connections.set(remedy.profile, [...list, remedy.connection]);
  }
  return [...connections].map(([profile, added]) => {
    const { spec } = snapshot.profiles.find(({ metadata }) => metadata.name === profile) ?? {};
    return {
      profile,
      patch:
        spec?.connections === undefined
          ? [{ op: 'add', path: '/spec/connections', value: added }]
          : added.map((value) => ({ op: 'add', path: '/spec/connections/-', value })),
    };
  });
}

/** A command line for the shell that applies the patch. */
export function patchCommand({ profile, patch }: ProfilePatch): string {
  // JSON of names, selectors and ports has no single quotes but in strings, where \u0027 is the same.
  const text = JSON.stringify(patch).replaceAll("'", String.raw`\u0027`);
  return `kubectl patch segmentationprofile ${profile} --type=json --patch='${text}'`;
}
