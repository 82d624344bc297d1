/**
 * Levels of the Pod Security Standards as labels of a Namespace, and their order. Pure.
 *
 * A level with its version is at least another one if its level is higher, or if the levels are equal and its version is not
 * older. `privileged` allows everything, whatever its version.
 */
import type { StringMap } from '../../api/meta.ts';
import { LATEST_VERSION, POD_SECURITY_PREFIX } from '../../api/names.ts';

/** The modes of Pod Security Admission: each has a label for its level, and one for its version. */
export const MODES = ['enforce', 'audit', 'warn'] as const;
export type Mode = (typeof MODES)[number];

const RANKS = { privileged: 0, baseline: 1, restricted: 2 } as const;
export type Level = keyof typeof RANKS;

export interface VersionedLevel {
  readonly level: Level;
  /** `latest`, or a minor version of Kubernetes such as `v1.36`. */
  readonly version: string;
}

/** The levels of a namespace by mode. A mode without a label is absent. */
export type Levels = Readonly<Partial<Record<Mode, VersionedLevel>>>;

export const levelKey = (mode: Mode): string => `${POD_SECURITY_PREFIX}${mode}`;
export const versionKey = (mode: Mode): string => `${POD_SECURITY_PREFIX}${mode}-version`;

/** The keys of all labels of Pod Security Admission. */
export const POD_SECURITY_KEYS: readonly string[] = MODES.flatMap((mode) => [
  levelKey(mode),
  versionKey(mode),
]);

/** True if pods that `a` admits are as limited as `b` asks for. */
export function isAtLeast(a: VersionedLevel, b: VersionedLevel): boolean {
  const difference = RANKS[a.level] - RANKS[b.level];
  if (difference !== 0) return difference > 0;
  return a.level === 'privileged' || minorOf(a.version) >= minorOf(b.version);
}

export function higher(a: VersionedLevel, b: VersionedLevel): VersionedLevel {
  return isAtLeast(a, b) ? a : b;
}

/** The two labels of a mode. */
export function labelsOf(mode: Mode, { level, version }: VersionedLevel): StringMap {
  return { [levelKey(mode)]: level, [versionKey(mode)]: version };
}

/** The level of a mode by the labels of a Namespace; undefined without a label, or if its value is no level. */
export function levelOf(mode: Mode, labels: StringMap): VersionedLevel | undefined {
  const level = labels[levelKey(mode)];
  const version = labels[versionKey(mode)] ?? LATEST_VERSION;
  return isLevel(level) && isVersion(version) ? { level, version } : undefined;
}

/** `restricted`, or `restricted (v1.36)` for another version than the latest. */
export function levelText({ level, version }: VersionedLevel): string {
  return version === LATEST_VERSION ? level : `${level} (${version})`;
}

function isLevel(value: string | undefined): value is Level {
  return value !== undefined && Object.hasOwn(RANKS, value);
}

function isVersion(value: string): boolean {
  return !Number.isNaN(minorOf(value));
}

/** The minor version as a number; infinite for the latest one, NaN for what is no version. */
function minorOf(version: string): number {
  if (version === LATEST_VERSION) return Infinity;
  return Number(/^v1\.(0|[1-9]\d*)$/.exec(version)?.[1]);
}
