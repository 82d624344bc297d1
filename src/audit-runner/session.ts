/**
 * An audit, from the texts of lists to findings and changes of reports. It runs in a thread of its own, as parsing and
 * judging take seconds in a large cluster. No I/O: its caller reads and writes.
 *
 * Call `page` for each page of each kind, `judge` once, `reports` for each page of reports, `changes`, and then
 * `nextWrites` until there are none.
 */
import type { OwnerReference } from '../api/meta.ts';
import { audit, type AuditResult } from '../audit/audit.ts';
import { ENGINE_KINDS } from '../engines/layers/engine-kinds.ts';
import { type Finding, isAtLeast, isNamed, type Severity } from '../audit/finding.ts';
import { CHECKS } from '../audit/registry.ts';
import type { AuditSnapshot } from '../audit/snapshot.ts';
import { applyWaivers, type WaivedFinding } from '../audit/waivers/apply.ts';
import { annotatedWaivers } from '../audit/waivers/collect.ts';
import { WAIVER_CHECKS } from '../audit/waivers/checks.ts';
import { type ReadWaivers, readWaiverList } from '../audit/waivers/waiver.ts';
import { WaiverIndex } from '../audit/waivers/match.ts';
import { judges } from '../audit/waivers/scope.ts';
import type { ClusterConfiguration } from '../policy/facts.ts';
import { auditSnapshot } from '../snapshot/audit-snapshot.ts';
import { type KnownKind, ObjectSet } from '../snapshot/objects.ts';
import { isOwnedByJob } from '../snapshot/pods.ts';
import { Projection } from '../snapshot/projection.ts';
import { Snapshot } from '../snapshot/snapshot.ts';
import { isRecord } from '../util/is-record.ts';
import { type AuditedKind, auditedKinds, jobKind, NEVER_READ } from './kinds.ts';
import {
  isOwnReport,
  type ObservedReport,
  observedReport,
  reportChanges,
  type ReportWrite,
} from './reports/changes.ts';
import { AddressRanges, cidrTexts, PodGroups } from './pod-groups.ts';
import { compileReports } from './reports/compile.ts';
import { CLUSTER_SCOPE, type Report, type ReportResult } from './reports/open-reports.ts';
import { countsOf, type FindingCount, type ProfileAudit, profileAudits } from './summary.ts';

export interface SessionSettings {
  readonly minSeverity: Severity;
  /** Ids or categories of checks that do not run. */
  readonly skip: readonly string[];
  readonly registries: readonly string[];
  /** Entries of the configuration; those that are no waivers are reported. */
  readonly waivers: readonly unknown[];
  readonly maxResults: number;
  readonly protectedNamespaces: readonly string[];
  readonly configuration: ClusterConfiguration;
}

export interface Judgement {
  readonly counts: readonly FindingCount[];
  readonly profiles: ReadonlyMap<string, ProfileAudit>;
  /** Ids of checks that could not run, as a kind could not be read. */
  readonly skipped: readonly string[];
  readonly findings: number;
  readonly waived: number;
}

/** A finding that no earlier audit reported. */
export interface FreshFinding {
  readonly namespace: string;
  readonly check: string;
  readonly object: string;
  readonly severity: Severity;
}

export interface SessionChanges {
  /** Number of writes, which `nextWrites` returns. */
  readonly writes: number;
  /** Number of reports that are to be there in the end. */
  readonly reports: number;
  /** The first new findings of each namespace. */
  readonly fresh: readonly FreshFinding[];
}

export interface PageEnd {
  /** The token of the next page; undefined after the last one. */
  readonly next: string | undefined;
  readonly items: number;
}

/** Kinds whose objects may tell pods apart by their addresses. */
const POLICY_KINDS: readonly string[] = ['NetworkPolicy', ...Object.values(ENGINE_KINDS).flat()];

/** How many new findings of a namespace are named. */
const MAX_FRESH = 3;

export class AuditSession {
  readonly #settings: SessionSettings;
  readonly #projection = new Projection(true);
  readonly #unread = new Map<string, string>();
  readonly #read = new Set<string>();
  readonly #observed = new Map<string, ObservedReport>();
  #objects = new ObjectSet();
  #pods = new PodGroups();
  #serverVersion: string | undefined;
  #compiled: ReadonlyMap<string, Report> = new Map();
  #writes: ReportWrite[] = [];

  constructor(settings: SessionSettings) {
    this.#settings = settings;
  }

  /** Names in `skip` that are neither a check nor a category. */
  unknownChecks(): string[] {
    return this.#settings.skip.filter((name) => !CHECKS.some((check) => isNamed(check, name)));
  }

  /** The kinds to read first. */
  kinds(): AuditedKind[] {
    const { skip } = this.#settings;
    return auditedKinds(CHECKS.filter((check) => !skip.some((name) => isNamed(check, name))));
  }

  /** Kinds to read after those of `kinds`, as the objects ask for them. */
  furtherKinds(): AuditedKind[] {
    return this.#pods.some(isOwnedByJob) ? [jobKind()] : [];
  }

  /** Takes a page of a list. @throws Error if it is no list */
  page(kind: KnownKind, text: string): PageEnd {
    const { items, next } = listOf(text);
    this.#read.add(kind.kind);
    for (const raw of items) {
      const object = this.#projection.of(raw, kind);
      if (kind.kind === 'Pod') this.#pods.add(object);
      else this.#objects.put(kind.kind, object);
    }
    return { next, items: items.length };
  }

  /** Drops the objects of a kind, whose list begins again. */
  restart(kind: KnownKind): void {
    if (kind.kind === 'Pod') this.#pods = new PodGroups();
    else this.#objects = this.#objects.without(kind.kind);
  }

  /** Notes that a kind could not be read. */
  unread(kind: KnownKind, reason: string): void {
    this.#unread.set(kind.kind, reason);
  }

  /** Takes the version that the API server tells; undefined if it tells none. */
  serverVersion(version: string | undefined): void {
    this.#serverVersion = version;
  }

  /** Runs the checks and compiles the reports. The objects are dropped. */
  judge(today: string): Judgement {
    const { minSeverity, skip, registries } = this.#settings;
    const snapshot = this.#snapshot();
    const input = auditSnapshot(snapshot);
    const [namespaces, leftOut] = audited(snapshot);
    const isShown = ({ severity }: Finding) => isAtLeast(severity, minSeverity);
    const { waivers, invalid } = this.#waivers(input);
    const index = new WaiverIndex(waivers);
    // A finding that is not shown may still be the one that a waiver is for.
    const keeps = (finding: Finding) => isShown(finding) || index.for(finding).length > 0;
    const result = audit(input, { skip, registries, namespaces, keeps });
    const { findings, waived } = applyWaivers(result.findings, {
      waivers,
      invalid,
      today,
      isJudged: judges({ ran: result.checks, all: CHECKS, leftOut }),
    });
    const shown = findings.filter(isShown);
    const shownWaived = waived.filter(({ finding }) => isShown(finding));
    const skipped = skippedChecks(result).filter(({ check }) => isAtLeast(check.severity, minSeverity));
    this.#compile(snapshot, { findings: shown, waived: shownWaived, skipped });
    this.#objects = new ObjectSet();
    return {
      counts: countsOf(
        shown,
        result.checks.filter(({ severity }) => isAtLeast(severity, minSeverity)),
      ),
      profiles: profileAudits(snapshot, shown),
      // A check that needs facts which no cluster shows (`unknown`) is left out: no permission would let it run.
      skipped: skipped.filter(({ unread }) => unread.length > 0).map(({ check }) => check.id),
      findings: shown.length,
      waived: shownWaived.length,
    };
  }

  /** The waivers of the configuration and of annotations. */
  #waivers(input: AuditSnapshot): ReadWaivers {
    const placeOf = (index: number) => `audit.waivers[${index}] of the operator's configuration`;
    const configured = readWaiverList(this.#settings.waivers, placeOf);
    const annotated = annotatedWaivers(input);
    return {
      waivers: [...configured.waivers, ...annotated.waivers],
      invalid: [...configured.invalid, ...annotated.invalid],
    };
  }

  #snapshot(): Snapshot {
    const { configuration, protectedNamespaces } = this.#settings;
    // Some kinds have several groups or versions: one of them is enough.
    const refused = [...this.#unread].filter(([kind]) => !this.#read.has(kind));
    const unread = new Map([...refused, ...NEVER_READ.map((kind) => [kind, 'never read'] as const)]);
    return new Snapshot({
      objects: this.#withPods(),
      assumed: [],
      unread,
      serverVersion: this.#serverVersion,
      configuration,
      protectedNamespaces,
      origin: 'the cluster',
      isObserved: true,
      namespace: 'default',
    });
  }

  /** The objects, with a Pod for each group of equal pods. The groups are dropped. */
  #withPods(): ObjectSet {
    const policies = POLICY_KINDS.flatMap((kind) => this.#objects.of(kind));
    const ranges = new AddressRanges(cidrTexts(policies));
    for (const pod of this.#pods.pods(ranges)) this.#objects.put('Pod', pod);
    this.#pods = new PodGroups();
    return this.#objects;
  }

  #compile(snapshot: Snapshot, judged: Judged): void {
    const controls = new Map([...CHECKS, ...WAIVER_CHECKS].map(({ id, controls }) => [id, controls]));
    this.#compiled = compileReports({
      ...judged,
      controlsOf: (check) => controls.get(check) ?? [],
      maxResults: this.#settings.maxResults,
      owner: ownerOf(snapshot),
    });
  }

  /** Takes a page of own reports in the cluster. @throws Error if it is no list */
  reports(text: string): PageEnd {
    const { items, next } = listOf(text);
    for (const report of items as readonly Report[]) {
      if (isOwnReport(report))
        this.#observed.set(report.metadata.namespace ?? CLUSTER_SCOPE, observedReport(report));
    }
    return { next, items: items.length };
  }

  /** Compares the compiled reports with the observed ones. @param nowSeconds since the epoch */
  changes(nowSeconds: number): SessionChanges {
    const { writes, fresh } = reportChanges(this.#compiled, this.#observed, nowSeconds);
    this.#writes = [...writes];
    return {
      writes: writes.length,
      reports: this.#compiled.size,
      fresh: [...fresh].flatMap(([namespace, results]) =>
        results.slice(0, MAX_FRESH).map((result) => freshFinding(namespace, result)),
      ),
    };
  }

  /** The next writes; empty after the last one. Only a few reports are in memory twice at any time. */
  nextWrites(most: number): readonly ReportWrite[] {
    return this.#writes.splice(0, most);
  }
}

/** The names of the namespaces to audit, and of the others. */
function audited(snapshot: Snapshot): [chosen: readonly string[], leftOut: ReadonlySet<string>] {
  const { namespaces, protectedNamespaces } = snapshot;
  const groups = Map.groupBy(
    namespaces,
    ({ name, terminating }) => !terminating && !protectedNamespaces.has(name),
  );
  const names = (isAudited: boolean) => (groups.get(isAudited) ?? []).map(({ name }) => name);
  return [names(true), new Set(names(false))];
}

interface Judged {
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
  readonly skipped: AuditResult['skipped'];
}

function freshFinding(
  namespace: string,
  { policy, severity = 'info', resources = [] }: ReportResult,
): FreshFinding {
  const [resource] = resources;
  return { namespace, check: policy, severity, object: resource ? `${resource.kind} ${resource.name}` : '' };
}

/** The checks that could not run, without those that never do. */
function skippedChecks({ skipped }: AuditResult): AuditResult['skipped'] {
  return skipped.filter(({ unread }) => !unread.some((kind) => NEVER_READ.includes(kind)));
}

/** The ClusterRole of config/audit: if it goes, the API server deletes the reports. */
function ownerOf({ objects }: Snapshot): OwnerReference | undefined {
  const role = objects.of('ClusterRole').find(({ metadata: { labels = {} } }) => {
    return labels['app.kubernetes.io/component'] === 'audit' && labels['app.kubernetes.io/name'] === NAME;
  });
  if (role?.metadata.uid === undefined) return undefined;
  const { name, uid } = role.metadata;
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name, uid };
}

const NAME = 'segmentation-operator';

function listOf(text: string): { readonly items: readonly object[]; readonly next: string | undefined } {
  const list: unknown = JSON.parse(text);
  // Some API servers answer null for an empty list: a nil slice in Go is null in JSON.
  const items: unknown = isRecord(list) ? (list['items'] ?? []) : undefined;
  if (!isRecord(list) || !Array.isArray(items)) throw new TypeError(`not a list: ${text.slice(0, 200)}`);
  const metadata = isRecord(list['metadata']) ? list['metadata'] : {};
  const next = metadata['continue'];
  return { items: items as object[], next: typeof next === 'string' && next !== '' ? next : undefined };
}
