/** A summary of a change of a policy for logs, bounded in length. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import { ANNOTATION_RULES, OWN_LABELS } from '../../api/names.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
} from '../../api/network-policy.ts';
import { isolates, isOwnReference, rulesOf } from '../semantics/normalize.ts';
import { EVERYTHING, canonicalSelector, selectorTerms } from '../semantics/selector.ts';
import { SharedResults } from './shared-results.ts';

/** The parts of a policy that differ from its other form. */
export interface FormSummary {
  /** As kubectl writes selectors; `all` for every pod. */
  readonly pods?: string;
  /** `Ingress`, `Egress` or both. */
  readonly isolates?: string;
  /** Our labels; null: absent. */
  readonly labels?: Readonly<Record<string, string | null>>;
  /** The uid of the owning profile or exception; null: none. */
  readonly owner?: string | null;
  /** The annotation with the notes. */
  readonly rules?: string | null;
}

export interface ChangeSummary {
  /** Absent for a new policy. */
  readonly before?: FormSummary;
  /** Absent for a deleted policy. */
  readonly after?: FormSummary;
  /** Flows that become allowed: `Ingress from pods(app=web) on TCP 8443`; at most 20, and the number of others. */
  readonly added?: readonly string[];
  /** Flows that cease to be allowed, in the same form. */
  readonly removed?: readonly string[];
}

const MAX_ENTRIES = 20;
/** Characters. */
const MAX_TEXT = 200;

/** The summary of a change from `before` to `after`; undefined for a policy that does not exist. */
export function summarizeChange(
  before: NetworkPolicy | undefined,
  after: NetworkPolicy | undefined,
): ChangeSummary {
  if (before === undefined) return after === undefined ? {} : creationSummary(after);
  if (after === undefined) return { before: summary(before), ...list('removed', before) };
  const inputs = [before.spec, ...metadataOf(before), ...metadataOf(after)];
  return updates.get(after.spec, inputs, () => updateSummary(before, after));
}

const updates = new SharedResults<ChangeSummary>();

/** The parts of its metadata that the summary looks at. */
function metadataOf({ metadata: { labels, annotations, ownerReferences } }: NetworkPolicy): unknown[] {
  return [labels, annotations, ownerReferences];
}

function updateSummary(before: NetworkPolicy, after: NetworkPolicy): ChangeSummary {
  const grantsBefore = new Set(grantsOf(before));
  const grantsAfter = cachedGrants(after);
  const added = grantsAfter.difference(grantsBefore);
  const removed = grantsBefore.difference(grantsAfter);
  return {
    ...differences(formOf(before), formOf(after)),
    ...bounded('added', added, added.size),
    ...bounded('removed', removed, removed.size),
  };
}

/** Cached by spec: compiled policies of many namespaces share theirs. */
function cachedGrants(policy: NetworkPolicy): ReadonlySet<string> {
  const known = grantCache.get(policy.spec) ?? new Set(grantsOf(policy));
  grantCache.set(policy.spec, known);
  return known;
}

const grantCache = new WeakMap<NetworkPolicy['spec'], ReadonlySet<string>>();

/** Cached by spec too. */
function creationSummary(policy: NetworkPolicy): ChangeSummary {
  const known = creationCache.get(policy.spec) ?? { after: summary(policy), ...list('added', policy) };
  creationCache.set(policy.spec, known);
  return known;
}

const creationCache = new WeakMap<NetworkPolicy['spec'], ChangeSummary>();

function summary({ spec }: NetworkPolicy): Required<Pick<FormSummary, 'pods' | 'isolates'>> {
  return {
    pods: brief(selectorText(spec.podSelector ?? EVERYTHING)),
    isolates: isolates(spec).join(', '),
  };
}

function formOf(policy: NetworkPolicy): Required<FormSummary> {
  const { labels, annotations, ownerReferences = [] } = policy.metadata;
  return {
    ...summary(policy),
    labels: Object.fromEntries(OWN_LABELS.map((key) => [key, labels?.[key] ?? null])),
    owner: ownerReferences.find(isOwnReference)?.uid ?? null,
    rules: orNull(annotations?.[ANNOTATION_RULES]),
  };
}

function differences(before: Required<FormSummary>, after: Required<FormSummary>): ChangeSummary {
  const keys = (['pods', 'isolates', 'owner', 'rules'] as const).filter((key) => before[key] !== after[key]);
  const labels = OWN_LABELS.filter((key) => before.labels[key] !== after.labels[key]);
  if (keys.length + labels.length === 0) return {};
  const form = (of: Required<FormSummary>): FormSummary => ({
    ...Object.fromEntries(keys.map((key) => [key, of[key]])),
    ...(labels.length > 0 && {
      labels: Object.fromEntries(labels.map((key) => [key, of.labels[key] ?? null])),
    }),
  });
  return { before: form(before), after: form(after) };
}

function list(key: 'added' | 'removed', policy: NetworkPolicy): ChangeSummary {
  const count = DIRECTIONS.flatMap((direction) => rulesOf(policy.spec, direction)).reduce(
    (sum, { peers }) => sum + (peers?.length ?? 1),
    0,
  );
  return bounded(key, grantsOf(policy), count);
}

/** The first entries under `key`, and how many more there are; no key if there are none. */
function bounded(key: 'added' | 'removed', grants: Iterable<string>, count: number): ChangeSummary {
  if (count === 0) return {};
  const first = Iterator.from(grants).take(MAX_ENTRIES).map(brief).toArray();
  return { [key]: count > first.length ? [...first, `and ${count - first.length} more`] : first };
}

/** A text for each peer of each rule, with the rule's ports. */
function* grantsOf({ spec }: NetworkPolicy): Generator<string, void, undefined> {
  for (const direction of DIRECTIONS) {
    for (const { peers, ports } of rulesOf(spec, direction)) {
      const where = direction === 'Ingress' ? 'from' : 'to';
      const on = ports === undefined ? 'any port' : ports.map(portText).sort().join(', ');
      for (const peer of peers ?? [undefined]) {
        yield `${direction} ${where} ${peer === undefined ? 'anyone' : peerText(peer)} on ${on}`;
      }
    }
  }
}

function peerText({ ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer): string {
  if (ipBlock !== undefined) {
    const { cidr, except = [] } = ipBlock;
    return except.length === 0 ? cidr : `${cidr} except ${[...except].sort().join(', ')}`;
  }
  const pods = podSelector && `pods(${selectorText(podSelector)})`;
  const namespaces = namespaceSelector && `namespaces(${selectorText(namespaceSelector)})`;
  return [namespaces, pods].filter((text) => text !== undefined).join(' ');
}

function portText({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): string {
  if (port === undefined) return `any ${protocol}`;
  return endPort === undefined || endPort === port ? `${protocol} ${port}` : `${protocol} ${port}-${endPort}`;
}

/** As `kubectl get --selector` takes it. */
function selectorText(selector: LabelSelector): string {
  return selectorTerms(canonicalSelector(selector)).join(',') || 'all';
}

function orNull(text: string | undefined): string | null {
  return text === undefined ? null : brief(text);
}

function brief(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}
