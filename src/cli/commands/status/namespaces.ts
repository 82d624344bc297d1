/** The namespaces of a snapshot as `status` shows them: how each is segmented, and what a person should look at. Pure. */
import { coverage, type NamespaceCoverage } from '../../../analysis/coverage.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { fingerprint } from '../../../policy/semantics/normalize.ts';
import type { WorkloadPod } from '../../../snapshot/pods.ts';
import type {
  AwaitedNamespace,
  ProfileIntent,
  Snapshot,
  SnapshotNamespace,
} from '../../../snapshot/snapshot.ts';
import { counted, shortList } from '../../../util/list-text.ts';
import { compareText } from '../../../util/order.ts';
import { latestRevision } from '../../snapshot/rollout-notes.ts';

/**
 * How a namespace is segmented.
 * - `Enforced`: every policy of its profiles exists
 * - `Pending`: some of these policies are missing or differ
 * - `Audit`: its profiles compute policies and write none
 * - `Terminating`: it is being deleted, and no profile selects it any more
 * - `Foreign`: no profile selects it, but it has foreign policies
 * - `Open`: neither
 * - `Protected`: no profile ever selects it
 */
export type State = 'Enforced' | 'Pending' | 'Audit' | 'Terminating' | 'Foreign' | 'Open' | 'Protected';

export interface NamespaceStatus {
  readonly name: string;
  readonly state: State;
  readonly profiles: readonly string[];
  /** By profile, the revisions that are not the latest; null: none has reached the namespace. */
  readonly revisions?: Readonly<Record<string, number | null>>;
  readonly pods: number;
  readonly ingressIsolated: number;
  readonly egressIsolated: number;
  readonly hostNetworkPods: number;
  readonly policies: number;
  /** Holes and differences that a person should look at. */
  readonly findings: readonly string[];
}

export function namespaceRows(
  snapshot: Snapshot,
  namespaces: readonly SnapshotNamespace[],
): NamespaceStatus[] {
  const covered = coverage({ namespaces, pods: snapshot.pods, policies: snapshot.effective() });
  const intents = Map.groupBy(snapshot.intents(), ({ namespace }) => namespace.name);
  const awaited = Map.groupBy(snapshot.awaited(), ({ namespace }) => namespace.name);
  const policies = Map.groupBy(snapshot.effective(), ({ metadata }) => metadata.namespace ?? '');
  return namespaces.map(({ name, terminating }) => {
    const own = intents.get(name) ?? [];
    const waiting = awaited.get(name) ?? [];
    const cover = covered.get(name) ?? EMPTY;
    const standing = policies.get(name) ?? [];
    const diverging = snapshot.isObserved ? divergingPolicies(own, standing) : [];
    const isProtected = snapshot.protectedNamespaces.has(name);
    const state = stateOf({
      isProtected,
      isTerminating: terminating,
      intents: own,
      isAwaited: waiting.length > 0,
      diverging,
      policies: standing.length,
    });
    const revisions = earlierRevisions(own, waiting);
    return {
      name,
      state,
      profiles: [...own, ...waiting].map(({ profile }) => profile.metadata.name).sort(compareText),
      ...(revisions && { revisions }),
      pods: cover.pods.length,
      ingressIsolated: cover.ingress.isolated.length,
      egressIsolated: cover.egress.isolated.length,
      hostNetworkPods: cover.host.length,
      policies: standing.length,
      findings: state === 'Protected' ? [] : findingsOf(cover, diverging),
    };
  });
}

/** The revisions in a namespace that are not the latest of their profile; undefined if there is none. */
function earlierRevisions(
  intents: readonly ProfileIntent[],
  awaited: readonly AwaitedNamespace[],
): Readonly<Record<string, number | null>> | undefined {
  const entries = [
    ...intents
      .filter(({ profile, revision }) => (revision ?? latestRevision(profile)) !== latestRevision(profile))
      .map(({ profile, revision = null }) => [profile.metadata.name, revision] as const),
    ...awaited.map(({ profile }) => [profile.metadata.name, null] as const),
  ];
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

const EMPTY: NamespaceCoverage<WorkloadPod> = {
  pods: [],
  host: [],
  ingress: { isolated: [], open: [] },
  egress: { isolated: [], open: [] },
  unlimited: [],
};

/** Names of the namespace's desired policies that are missing among those in the cluster, or that differ there. */
function divergingPolicies(intents: readonly ProfileIntent[], standing: readonly NetworkPolicy[]): string[] {
  const enforced = intents.filter(({ relation }) => relation === 'enforce');
  if (enforced.length === 0) return [];
  const fingerprints = new Map(standing.map((policy) => [policy.metadata.name, fingerprint(policy)]));
  return enforced
    .flatMap(({ policies }) => policies)
    .filter((policy) => fingerprints.get(policy.metadata.name) !== fingerprint(policy))
    .map(({ metadata }) => metadata.name);
}

interface StateInput {
  readonly isProtected: boolean;
  readonly isTerminating: boolean;
  readonly intents: readonly ProfileIntent[];
  /** True if a rollout has still to bring the first revision of a profile. */
  readonly isAwaited: boolean;
  readonly diverging: readonly string[];
  /** Number of policies in the namespace. */
  readonly policies: number;
}

function stateOf(input: StateInput): State {
  const { isProtected, isTerminating, intents, isAwaited, diverging, policies } = input;
  if (isProtected) return 'Protected';
  if (isTerminating) return 'Terminating';
  if (isAwaited) return 'Pending';
  if (intents.some(({ relation }) => relation === 'enforce'))
    return diverging.length > 0 ? 'Pending' : 'Enforced';
  if (intents.length > 0) return 'Audit';
  return policies > 0 ? 'Foreign' : 'Open';
}

function findingsOf(
  { pods, host, ingress, egress, unlimited }: NamespaceCoverage<WorkloadPod>,
  diverging: readonly string[],
): string[] {
  const findings: string[] = [];
  const openBoth = ingress.open.filter((pod) => egress.open.includes(pod));
  const addOpen = (open: readonly WorkloadPod[], what: string) => {
    if (open.length === 0) return;
    const some = `${counted(open.length, 'pod')} of ${pods.length} (${workloadNames(open)})`;
    const who =
      open.length < pods.length ? some : pods.length === 1 ? 'its only pod' : `all ${pods.length} pods`;
    findings.push(`${who} ${open.length === 1 ? 'is' : 'are'} ${what}`);
  };
  if (diverging.length > 0) {
    findings.push(
      `${counted(diverging.length, 'policy', 'policies')} missing or changed: ${shortList(diverging)}`,
    );
  }
  addOpen(openBoth, 'open both ways: anyone reaches in, anything is reached');
  addOpen(
    ingress.open.filter((pod) => !openBoth.includes(pod)),
    'open to everyone: ingress is not isolated',
  );
  addOpen(
    egress.open.filter((pod) => !openBoth.includes(pod)),
    'free to reach everything: egress is not isolated',
  );
  for (const [direction, rules] of Map.groupBy(unlimited, (each) => each.direction)) {
    const names = [...new Set(rules.map(({ policy }) => policy.metadata.name))].sort();
    const what = direction === 'Ingress' ? 'everyone in' : 'everything out';
    findings.push(`${shortList(names)} ${names.length === 1 ? 'allows' : 'allow'} ${what}, on every port`);
  }
  if (host.length > 0) {
    findings.push(
      `${counted(host.length, 'pod')} on the host network (${workloadNames(host)}), which no policy is about`,
    );
  }
  return findings;
}

/** The names of the pods' workloads. */
function workloadNames(pods: readonly WorkloadPod[]): string {
  return shortList([...new Set(pods.map(({ workload }) => workload.name))].sort());
}
