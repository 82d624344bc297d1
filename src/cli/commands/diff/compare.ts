/** Compares two snapshots: the namespaces that profiles select, the policies, and the flows that these allow. Pure. */
import { type FlowChange, flowChanges } from '../../../analysis/flow-changes.ts';
import { type PolicyChange, policyChanges } from '../../../analysis/policy-changes.ts';
import type { Pod } from '../../../analysis/cluster.ts';
import type { GroupName } from '../../../analysis/group.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import type { WorkloadPod } from '../../../snapshot/pods.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { canonicalJSON } from '../../../util/canonical-json.ts';
import { extensionName } from '../render/command.ts';

export interface SnapshotChanges {
  readonly namespaces: readonly NamespaceChange[];
  readonly policies: readonly PolicyChange[];
  /** Changes of the network engine's own policies, by what profiles ask for. */
  readonly extensions: readonly ExtensionChange[];
  readonly opened: readonly FlowChange[];
  readonly closed: readonly FlowChange[];
}

/** A namespace that a profile begins, or ceases, to select. */
export interface NamespaceChange {
  readonly change: 'selected' | 'released';
  readonly namespace: string;
  readonly profile: string;
}

export interface ExtensionChange {
  readonly change: 'added' | 'changed' | 'removed';
  readonly namespace: string;
  /** `KIND.GROUP/NAME`. */
  readonly name: string;
}

/** The two states that are compared. They may differ in the policies that count as enforced alone. */
export interface Comparison {
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly policiesBefore: readonly NetworkPolicy[];
  readonly policiesAfter: readonly NetworkPolicy[];
  /** True if profiles under Audit count as enforced in the later state. */
  readonly asEnforced?: boolean;
}

export function compareSnapshots({
  before,
  after,
  policiesBefore,
  policiesAfter,
  asEnforced = false,
}: Comparison): SnapshotChanges {
  const workloads = new Map<Pod, WorkloadPod>([...before.pods, ...after.pods].map((pod) => [pod, pod]));
  const groupOf = (pod: Pod): GroupName =>
    workloads.get(pod)?.workload ?? { namespace: pod.namespace, kind: 'Pod', name: pod.name };
  const viewOf = ({ namespaces, pods }: Snapshot, policies: readonly NetworkPolicy[]) => ({
    namespaces,
    pods,
    policies,
  });
  return {
    namespaces: namespaceChanges(before, after),
    policies: policyChanges(policiesBefore, policiesAfter),
    extensions: extensionChanges(extensionsOf(before, false), extensionsOf(after, asEnforced)),
    ...flowChanges(viewOf(before, policiesBefore), viewOf(after, policiesAfter), {
      groupOf,
      isTemplate: (pod) => workloads.get(pod)?.template === true,
    }),
  };
}

/** The extensions that enforced profiles ask for, and the staged policies of the others, by namespace and name. */
function extensionsOf(snapshot: Snapshot, asEnforced: boolean): Map<string, KubeObject> {
  return new Map(
    snapshot
      .intents()
      .flatMap(({ relation, extensions, staged }) =>
        asEnforced || relation === 'enforce' ? extensions : staged,
      )
      .map((each) => [`${each.metadata.namespace}/${extensionName(each)}`, each]),
  );
}

function extensionChanges(
  before: ReadonlyMap<string, KubeObject>,
  after: ReadonlyMap<string, KubeObject>,
): ExtensionChange[] {
  const changeOf = (key: string): ExtensionChange['change'] | undefined => {
    const [old, next] = [before.get(key), after.get(key)];
    if (old === undefined) return 'added';
    if (next === undefined) return 'removed';
    return contentOf(old) === contentOf(next) ? undefined : 'changed';
  };
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((key) => {
    const change = changeOf(key);
    const [namespace = '', ...name] = key.split('/');
    return change === undefined ? [] : [{ change, namespace, name: name.join('/') }];
  });
}

function contentOf(object: KubeObject & { readonly spec?: unknown }): string {
  return canonicalJSON([object.spec, object.metadata.annotations]);
}

function namespaceChanges(before: Snapshot, after: Snapshot): NamespaceChange[] {
  const selected = (snapshot: Snapshot) =>
    new Map(
      snapshot
        .intents()
        .map(({ profile, namespace }) => [
          `${namespace.name}/${profile.metadata.name}`,
          { namespace: namespace.name, profile: profile.metadata.name },
        ]),
    );
  const [old, next] = [selected(before), selected(after)];
  const only = (a: typeof old, b: typeof old, change: NamespaceChange['change']) =>
    [...a].flatMap(([key, each]) => (b.has(key) ? [] : [{ change, ...each }]));
  return [...only(next, old, 'selected'), ...only(old, next, 'released')];
}

/** The changes of a namespace: of its policies, and of flows from or to its pods. */
export function changesIn(changes: SnapshotChanges, namespace: string): SnapshotChanges {
  const isOfNamespace = ({ from, to }: FlowChange) =>
    from.namespace === namespace || to.namespace === namespace;
  return {
    namespaces: changes.namespaces.filter((each) => each.namespace === namespace),
    policies: changes.policies.filter(
      ({ before, after }) => (after ?? before)?.metadata.namespace === namespace,
    ),
    extensions: changes.extensions.filter((each) => each.namespace === namespace),
    opened: changes.opened.filter(isOfNamespace),
    closed: changes.closed.filter(isOfNamespace),
  };
}
