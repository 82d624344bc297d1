/**
 * The inspection of a namespace: labels that are sent as a dry run, and the meaning of the API server's warnings. Pure.
 *
 * The API server judges running pods if the level or version of `enforce` changes to one that is not privileged. It evaluates
 * a version that it does not know as its latest one. So a version of the far future makes it judge by the latest, even where
 * the label stands already, or where its configuration has a default (KEP-2579).
 */
import type { StringMap } from '../../api/meta.ts';
import { LATEST_VERSION } from '../../api/names.ts';
import { isAtLeast, labelsOf, levelOf, type VersionedLevel } from './levels.ts';

export type Inspection =
  /** The configuration of the API server exempts the namespace. */
  | { readonly kind: 'exempt' }
  /** `violations`: the API server's own words about pods that violate the level, and about pods it could not judge. */
  | { readonly kind: 'judged'; readonly violations: readonly string[] };

const FUTURE_VERSION = 'v1.9999';
/** Tells exemption where the profiles ask for no `enforce`. */
const ANY_LEVEL: VersionedLevel = { level: 'baseline', version: LATEST_VERSION };

/** The labels to send as a dry run. @param asked the level of `enforce`; undefined if only another mode is asked for */
export function inspectionLabels(labels: StringMap, asked: VersionedLevel = ANY_LEVEL): StringMap {
  const current = levelOf('enforce', labels);
  const isRaise = current === undefined || !isAtLeast(current, asked);
  const version = isRaise && asked.version !== LATEST_VERSION ? asked.version : FUTURE_VERSION;
  return labelsOf('enforce', { level: asked.level, version });
}

const EXEMPT = /^namespace "[^"]*" is exempt from Pod Security\b/;
const VIOLATIONS = /^existing pods in namespace "[^"]*" violate the new PodSecurity enforce level\b/;
const INCOMPLETE = /\bnew PodSecurity enforce level\b/;
/** `web-0: REASON`, or `web-0 (and 3 other pods): REASON`. */
const VIOLATION = /^[a-z0-9][-a-z0-9.]*( \(and [^)]*\))?: /;

/** Reads the warnings that answer an inspection. Warnings of others are skipped. */
export function readInspection(warnings: readonly string[]): Inspection {
  if (warnings.some((text) => EXEMPT.test(text))) return { kind: 'exempt' };
  const header = warnings.findIndex((text) => VIOLATIONS.test(text));
  const incomplete = warnings.filter((text) => INCOMPLETE.test(text) && !VIOLATIONS.test(text));
  const pods = header < 0 ? [] : warnings.slice(header + 1).filter((text) => VIOLATION.test(text));
  // A header that was cut off from its list is a violation all the same.
  const unnamed = header >= 0 && pods.length === 0 ? warnings.slice(header, header + 1) : [];
  return { kind: 'judged', violations: [...pods, ...unnamed, ...incomplete] };
}

/** An invalid label: an API server that runs the admission plugin PodSecurity refuses it, with any other one it passes. */
export const PLUGIN_PROBE: StringMap = labelsOf('audit', {
  level: 'privileged',
  version: 'segmentation-probe',
});
