/** Applies waivers to findings, and reports those that are expired or waive nothing. Pure. */
import type { Finding } from '../finding.ts';
import { WaiverIndex } from './match.ts';
import type { Waiver } from './waiver.ts';
import { type CheckText, EXPIRED, INVALID, UNUSED } from './checks.ts';

export interface WaivedFinding {
  readonly finding: Finding;
  readonly waiver: Waiver;
}

export interface Waived {
  /** Findings that no waiver covers, and those about waivers. */
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
}

export interface WaiverInput {
  readonly waivers: readonly Waiver[];
  /** Problems of annotations, and of entries of the configuration, that are no waivers. */
  readonly invalid?: readonly string[];
  /** The day in UTC, `2026-11-29`: a waiver holds to the end of its last day. */
  readonly today: string;
  /** False for a waiver that may be for a finding that nobody looked for, as some checks or namespaces were left out. */
  readonly isJudged: (waiver: Waiver) => boolean;
}

export function applyWaivers(findings: readonly Finding[], input: WaiverInput): Waived {
  const { waivers, today, invalid = [], isJudged } = input;
  const index = new WaiverIndex(waivers);
  const used = new Set<Waiver>();
  const waived: WaivedFinding[] = [];
  const left = findings.filter((finding) => {
    const matching = index.for(finding);
    for (const waiver of matching) used.add(waiver);
    const waiver = matching.find(({ until }) => until >= today);
    if (waiver !== undefined) waived.push({ finding, waiver });
    return waiver === undefined;
  });
  const about = waivers.flatMap((waiver): Finding[] => {
    const { check, object, until, by, reason, place } = waiver;
    const text = `${check} for ${object}`;
    if (until < today) {
      return [waiverFinding(EXPIRED, text, `the waiver by ${by} ("${reason}") ended on ${until} (${place})`)];
    }
    return used.has(waiver) || !isJudged(waiver)
      ? []
      : [waiverFinding(UNUSED, text, `the waiver by ${by} waives no finding (${place})`)];
  });
  const wrong = invalid.map((problem) => waiverFinding(INVALID, problem, `can't be read: ${problem}`));
  return { findings: [...left, ...wrong, ...about], waived };
}

function waiverFinding({ id, severity, remedy }: CheckText, name: string, message: string): Finding {
  return { check: id, category: 'Waivers', severity, remedy, object: { kind: 'Waiver', name }, message };
}
