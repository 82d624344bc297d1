/** The findings of an audit as views need them: by filter, by group, and by node of the graph. */
import { SEVERITIES, type Severity } from '../../../audit/finding.ts';
import {
  FINDING_NUMBERS,
  type PageAudit,
  type PageCheck,
  type PageWaiver,
} from '../../findings/page-audit.ts';
import type { Model, Node } from './nodes.ts';
import type { FindingFilters, FindingGrouping, State } from './view-state.ts';

export interface PageFinding {
  /** Its position among all findings of the page, waived ones last. */
  readonly id: string;
  readonly check: PageCheck;
  readonly severity: Severity;
  /** Object as kubectl names it: `Deployment shop/web`. */
  readonly object: string;
  /** The namespace that the object is in, or is; empty for another cluster-scoped object. */
  readonly namespace: string;
  /** Empty if the finding is about the whole object. */
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
  /** The node that the object is, or that of its namespace; undefined if the page has neither. */
  readonly node: Node | undefined;
  /** Absent if the finding is not waived. */
  readonly waiver?: PageWaiver;
}

/** Findings of one check, namespace or object. */
export interface FindingGroup {
  readonly key: string;
  readonly findings: readonly PageFinding[];
  readonly worst: Severity;
}

/** The number of findings of a node, and the worst of their severities. */
export interface Badge {
  readonly count: number;
  readonly worst: Severity;
}

/** Severities from the most severe one on. */
export const WORST_FIRST: readonly Severity[] = SEVERITIES.toReversed();

export class Findings {
  readonly audit: PageAudit;
  readonly all: readonly PageFinding[];
  readonly waived: readonly PageFinding[];
  readonly #byNode: ReadonlyMap<string, readonly PageFinding[]>;
  readonly #byNamespace: ReadonlyMap<string, readonly PageFinding[]>;
  readonly #byId: ReadonlyMap<string, PageFinding>;

  constructor(audit: PageAudit, model: Model) {
    this.audit = audit;
    this.all = decode(audit, model);
    this.waived = decodeWaived(audit, model, this.all.length);
    this.#byNode = Map.groupBy(this.all, ({ node }) => node?.id ?? '');
    this.#byNamespace = Map.groupBy(this.all, ({ namespace }) => namespace);
    this.#byId = new Map([...this.all, ...this.waived].map((finding) => [finding.id, finding]));
  }

  /** Number of findings that the page leaves out, which are the least severe. */
  get omitted(): number {
    return this.audit.severities.reduce((sum, count) => sum + count, 0) - this.all.length;
  }

  get(id: string | undefined): PageFinding | undefined {
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** The findings of a workload; of a namespace, or the namespaces of a group, with those of everything in it. */
  of(node: Node): readonly PageFinding[] {
    if (isWhole(node)) return node.namespaces.flatMap((name) => this.#byNamespace.get(name) ?? []);
    return this.#byNode.get(node.id) ?? [];
  }

  /** Undefined for a node without findings. */
  badge(node: Node): Badge | undefined {
    const findings = this.of(node);
    return findings.length === 0 ? undefined : { count: findings.length, worst: worstOf(findings) };
  }

  /** The findings, and the waived ones, that pass the filters of a state. */
  filtered(state: State, subject: Node | undefined): Record<'findings' | 'waived', readonly PageFinding[]> {
    const passes = filterOf(state);
    const isOfSubject = ({ node, namespace }: PageFinding) =>
      subject === undefined || (isWhole(subject) ? subject.namespaces.includes(namespace) : node === subject);
    return {
      findings: (subject === undefined ? this.all : this.of(subject)).filter(passes),
      waived: this.waived.filter((finding) => isOfSubject(finding) && passes(finding)),
    };
  }
}

/** True if the findings of a node are those of whole namespaces. */
function isWhole({ kind }: Node): boolean {
  return kind === 'Namespace' || kind === 'Group';
}

function filterOf({
  severities,
  namespaces,
  category,
  check,
  text,
}: FindingFilters & Pick<State, 'namespaces'>): (finding: PageFinding) => boolean {
  const wanted = text.trim().toLowerCase();
  const [ofSeverity, inNamespace] = [new Set<string>(severities), new Set(namespaces)];
  return (finding) =>
    (ofSeverity.size === 0 || ofSeverity.has(finding.severity)) &&
    (inNamespace.size === 0 || inNamespace.has(finding.namespace)) &&
    (category === '' || finding.check.category === category) &&
    (check === '' || finding.check.id === check) &&
    (wanted === '' || searchedText(finding).includes(wanted));
}

function searchedText({ object, field, message, check: { id, title, controls } }: PageFinding): string {
  return [object, field, message, id, title, ...controls].join('\n').toLowerCase();
}

/** The groups of sorted findings: the one with the worst finding first, then the one with the most. */
export function groupsOf(findings: readonly PageFinding[], grouping: FindingGrouping): FindingGroup[] {
  const keyOf = ({ check, namespace, object }: PageFinding) =>
    ({ check: check.id, namespace, object })[grouping];
  return [...Map.groupBy(findings, keyOf)]
    .map(([key, own]) => ({ key, findings: own, worst: worstOf(own) }))
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(b.worst) - SEVERITIES.indexOf(a.worst) || b.findings.length - a.findings.length,
    );
}

/** The list with `severity` added, or without it. */
export function toggled(severities: readonly Severity[], severity: Severity): Severity[] {
  return severities.includes(severity)
    ? severities.filter((each) => each !== severity)
    : [...severities, severity];
}

function worstOf(findings: readonly PageFinding[]): Severity {
  const worst = findings.reduce((most, { severity }) => Math.max(most, SEVERITIES.indexOf(severity)), 0);
  return SEVERITIES[worst] ?? 'info';
}

function decode(audit: PageAudit, model: Model): PageFinding[] {
  const result: PageFinding[] = [];
  for (let at = 0; at < audit.findings.length; at += FINDING_NUMBERS)
    result.push(decodeOne(audit, model, audit.findings.slice(at, at + FINDING_NUMBERS), result.length));
  return result;
}

function decodeWaived(audit: PageAudit, model: Model, before: number): PageFinding[] {
  const result: PageFinding[] = [];
  const { waived, waivers } = audit;
  for (let at = 0; at < waived.length; at += FINDING_NUMBERS + 1) {
    const numbers = waived.slice(at, at + FINDING_NUMBERS);
    const waiver = waivers[waived[at + FINDING_NUMBERS] ?? -1];
    const finding = decodeOne(audit, model, numbers, before + result.length);
    result.push(waiver === undefined ? finding : { ...finding, waiver });
  }
  return result;
}

function decodeOne(
  { checks, texts }: PageAudit,
  model: Model,
  numbers: readonly number[],
  id: number,
): PageFinding {
  const [checkIndex = -1, severity = 0, ...textIndices] = numbers;
  const [kind = '', ns = '', name = '', field = '', message = '', remedy = ''] = textIndices.map(
    (index) => texts[index] ?? '',
  );
  const check = checks[checkIndex];
  if (check === undefined) throw new RangeError(`no check ${checkIndex}`);
  const namespace = ns === '' && kind === 'Namespace' ? name : ns;
  return {
    id: String(id),
    check,
    severity: SEVERITIES[severity] ?? 'info',
    object: `${kind} ${ns === '' ? '' : `${ns}/`}${name}`,
    namespace,
    field,
    message,
    remedy: remedy === '' ? check.remedy : remedy,
    node: model.node(`${ns}/${kind}/${name}`) ?? model.node(namespace),
  };
}
