/**
 * Decides which Pod Security labels the operator owns on a Namespace. Pure.
 *
 * Guarantees: a label that another field manager owns, or that nobody owns, is left as it is. A label is only raised, except
 * for an own one, which follows what the profiles ask for, and goes when they ask for nothing. Deciding again after the
 * decision was carried out changes nothing.
 */
import type { ObjectMeta, StringMap } from '../../api/meta.ts';
import { POD_SECURITY_MANAGER } from '../../api/names.ts';
import { type LabelManagers, labelManagers } from './label-managers.ts';
import {
  isAtLeast,
  labelsOf,
  levelKey,
  levelOf,
  type Levels,
  type Mode,
  MODES,
  POD_SECURITY_KEYS,
  type VersionedLevel,
  versionKey,
} from './levels.ts';

/** Why a mode stays below the level that is asked for. */
export type Obstacle =
  /** Another field manager owns the label; no manager is known if its entry was removed. */
  | { readonly kind: 'Conflict'; readonly value: string; readonly managers: readonly string[] }
  /** Running pods violate the level of `enforce`, and nobody has accepted that. */
  | { readonly kind: 'ViolatingPods' };

export interface Decision {
  /** All Pod Security labels that the operator owns afterwards. */
  readonly labels: StringMap;
  /** True if the Namespace has to be written to get these labels. */
  readonly needsWrite: boolean;
  /** True if the write lowers or removes a label: it admits pods that are refused now. */
  readonly lowers: boolean;
  readonly obstacles: Readonly<Partial<Record<Mode, Obstacle>>>;
}

/**
 * @param asked the highest levels that profiles ask for
 * @param mayRaiseEnforce false if running pods violate the level of `enforce`, and nobody has accepted that
 */
export function decide(metadata: ObjectMeta, asked: Levels, mayRaiseEnforce: boolean): Decision {
  const { labels = {} } = metadata;
  const managers = labelManagers(metadata);
  const desired: Record<string, string> = {};
  const obstacles: Partial<Record<Mode, Obstacle>> = {};
  for (const mode of MODES) {
    const level = asked[mode];
    if (level === undefined) continue;
    const mayRaise = mode !== 'enforce' || mayRaiseEnforce;
    const { own, obstacle } = decideMode({ mode, labels, managers, asked: level, mayRaise });
    Object.assign(desired, own);
    if (obstacle !== undefined) obstacles[mode] = obstacle;
  }
  const owned = ownLabels(labels, managers);
  return { labels: desired, needsWrite: !isEqual(owned, desired), lowers: lowers(owned, desired), obstacles };
}

interface ModeInput {
  readonly mode: Mode;
  readonly labels: StringMap;
  readonly managers: LabelManagers;
  readonly asked: VersionedLevel;
  readonly mayRaise: boolean;
}

function decideMode(input: ModeInput): { readonly own: StringMap; readonly obstacle?: Obstacle } {
  const { mode, labels, managers, asked, mayRaise } = input;
  const keys = [levelKey(mode), versionKey(mode)].filter((key) => Object.hasOwn(labels, key));
  const current = levelOf(mode, labels);
  const reaches = current !== undefined && isAtLeast(current, asked);
  const own = keys.filter((key) => managers.get(key)?.join() === POD_SECURITY_MANAGER);
  if (own.length === keys.length) {
    if (reaches || mayRaise) return { own: labelsOf(mode, asked) };
    return { own: only(labels, own), obstacle: { kind: 'ViolatingPods' } };
  }
  // If one of the two labels is an own label beside a foreign one, it stays: without it, the level would fall.
  if (reaches) return { own: only(labels, own) };
  const owners = keys.flatMap((key) => managers.get(key) ?? []);
  const others = new Set(owners.filter((name) => name !== POD_SECURITY_MANAGER));
  const value = keys.map((key) => labels[key]).join(' ');
  return { own: only(labels, own), obstacle: { kind: 'Conflict', value, managers: [...others].sort() } };
}

function ownLabels(labels: StringMap, managers: LabelManagers): StringMap {
  return only(
    labels,
    POD_SECURITY_KEYS.filter((key) => managers.get(key)?.includes(POD_SECURITY_MANAGER) === true),
  );
}

function only(labels: StringMap, keys: readonly string[]): StringMap {
  return Object.fromEntries(keys.map((key) => [key, labels[key] ?? '']));
}

function isEqual(a: StringMap, b: StringMap): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function lowers(before: StringMap, after: StringMap): boolean {
  return MODES.some((mode) => {
    const [old, next] = [levelOf(mode, before), levelOf(mode, after)];
    return old !== undefined && (next === undefined || !isAtLeast(next, old));
  });
}
