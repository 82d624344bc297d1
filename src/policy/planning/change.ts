/** What differs between two forms of a policy, in few words of bounded length, for people and their logs. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import {
  ANNOTATION_RULES,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
} from '../../api/names.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../api/network-policy.ts';
import { DIRECTIONS, isolates, isProfileReference, rulesOf } from '../semantics/normalize.ts';
import { EVERYTHING, canonicalSelector, selectorTerms } from '../semantics/selector.ts';

/** The parts of a policy that differ; an absent one does not. */
export interface PolicyForm {
  /** As kubectl writes selectors; `all` for every pod. */
  readonly pods?: string;
  /** `Ingress`, `Egress` or both. */
  readonly isolates?: string;
  /** Of our labels; null: not there. */
  readonly labels?: Readonly<Record<string, string | null>>;
  /** The uid of the owning profile; null: none. */
  readonly owner?: string | null;
  /** The annotation that says which rule each entry comes from. */
  readonly rules?: string | null;
}

export interface PolicyChange {
  /** Absent for a new policy. */
  readonly before?: PolicyForm;
  /** Absent for one that is deleted. */
  readonly after?: PolicyForm;
  /** What is allowed in addition: `Ingress from pods(app=web) on TCP 8443`; at most 20 and how many more. */
  readonly added?: readonly string[];
  /** What is allowed no longer. */
  readonly removed?: readonly string[];
}

const MAX_ENTRIES = 20;
/** Characters. */
const MAX_TEXT = 200;
const OURS = [LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, LABEL_RULE];

/** From `before` to `after`; undefined: there was, or is to be, no such policy. */
export function describeChange(
  before: NetworkPolicy | undefined,
  after: NetworkPolicy | undefined,
): PolicyChange {
  if (before === undefined) return after === undefined ? {} : creationOf(after);
  if (after === undefined) return { before: summary(before), ...list('removed', before) };
  const was = new Set(grantsOf(before));
  const is = wantedGrants(after);
  const [added, removed] = [is.difference(was), was.difference(is)];
  return {
    ...differences(formOf(before), formOf(after)),
    ...bounded('added', added, added.size),
    ...bounded('removed', removed, removed.size),
  };
}

/** Remembered for each specification: compiled policies of many namespaces share theirs. */
function wantedGrants(policy: NetworkPolicy): ReadonlySet<string> {
  const known = wanted.get(policy.spec) ?? new Set(grantsOf(policy));
  wanted.set(policy.spec, known);
  return known;
}

const wanted = new WeakMap<NetworkPolicy['spec'], ReadonlySet<string>>();

/** Remembered in the same way. */
function creationOf(policy: NetworkPolicy): PolicyChange {
  const known = created.get(policy.spec) ?? { after: summary(policy), ...list('added', policy) };
  created.set(policy.spec, known);
  return known;
}

const created = new WeakMap<NetworkPolicy['spec'], PolicyChange>();

function summary({ spec }: NetworkPolicy): Required<Pick<PolicyForm, 'pods' | 'isolates'>> {
  return {
    pods: brief(selectorText(spec.podSelector ?? EVERYTHING)),
    isolates: isolates(spec).join(', '),
  };
}

function formOf(policy: NetworkPolicy): Required<PolicyForm> {
  const { labels, annotations, ownerReferences = [] } = policy.metadata;
  return {
    ...summary(policy),
    labels: Object.fromEntries(OURS.map((key) => [key, labels?.[key] ?? null])),
    owner: ownerReferences.find(isProfileReference)?.uid ?? null,
    rules: orNull(annotations?.[ANNOTATION_RULES]),
  };
}

function differences(before: Required<PolicyForm>, after: Required<PolicyForm>): PolicyChange {
  const keys = (['pods', 'isolates', 'owner', 'rules'] as const).filter((key) => before[key] !== after[key]);
  const labels = OURS.filter((key) => before.labels[key] !== after.labels[key]);
  if (keys.length + labels.length === 0) return {};
  const form = (of: Required<PolicyForm>): PolicyForm => ({
    ...Object.fromEntries(keys.map((key) => [key, of[key]])),
    ...(labels.length > 0 && {
      labels: Object.fromEntries(labels.map((key) => [key, of.labels[key] ?? null])),
    }),
  });
  return { before: form(before), after: form(after) };
}

function list(key: 'added' | 'removed', policy: NetworkPolicy): PolicyChange {
  const count = DIRECTIONS.flatMap((direction) => rulesOf(policy.spec, direction)).reduce(
    (sum, { peers }) => sum + (peers?.length ?? 1),
    0,
  );
  return bounded(key, grantsOf(policy), count);
}

/** Nothing where there are none. */
function bounded(key: 'added' | 'removed', grants: Iterable<string>, count: number): PolicyChange {
  if (count === 0) return {};
  const first = Iterator.from(grants).take(MAX_ENTRIES).map(brief).toArray();
  return { [key]: count > first.length ? [...first, `and ${count - first.length} more`] : first };
}

/** One text for each peer of each rule, with the rule's ports. */
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
