/** Compares two snapshots: the namespaces that profiles select, the policies, and the flows that these allow. Pure. */
import { type FlowChange, flowChanges } from '../../../analysis/flow-changes.ts';
import type { LayerRule } from '../../../analysis/layers/layered-view.ts';
import { unclearRules } from '../../../analysis/layers/unclear-rules.ts';
import { type PolicyChange, policyChanges } from '../../../analysis/policy-changes.ts';
import type { Pod } from '../../../analysis/cluster.ts';
import type { GroupName } from '../../../analysis/group.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { ANNOTATION_RULES, LABEL_PROFILE } from '../../../api/names.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import type { WorkloadPod } from '../../../snapshot/pods.ts';
import { MESH_KINDS } from '../../../engines/layers/engine-kinds.ts';
import { stagedGuards, writtenGuards } from '../../../snapshot/guards/guards.ts';
import { overlaysOf } from '../../../snapshot/mesh/overlays.ts';
import { judgedView, type SnapshotLayers } from '../../../snapshot/layers.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { withOwnerLabels } from '../../../policy/ownership.ts';
import { canonicalJSON } from '../../../util/canonical-json.ts';
import { extensionName } from '../render/command.ts';
import { type ExceptionChange, exceptionChanges } from './exceptions.ts';
import { type ChangedRollout, changedRollouts } from './waves.ts';

export interface SnapshotChanges {
  readonly namespaces: readonly NamespaceChange[];
  readonly policies: readonly PolicyChange[];
  /** Changes of the network engine's own policies, by what profiles ask for. */
  readonly extensions: readonly ExtensionChange[];
  readonly opened: readonly FlowChange[];
  readonly closed: readonly FlowChange[];
  /** Flows of which it is known in one state alone if they are allowed. */
  readonly unclear: readonly FlowChange[];
  /** The rules on which these depend. */
  readonly dependsOn: readonly LayerRule[];
  /** The rollouts of changed profiles, with the waves in which changes come. */
  readonly rollouts: readonly ChangedRollout[];
  readonly exceptions: readonly ExceptionChange[];
}

/** A namespace that a profile begins, or ceases, to select. */
export interface NamespaceChange {
  readonly change: 'selected' | 'released';
  readonly namespace: string;
  readonly profile: string;
}

export interface ExtensionChange {
  readonly change: 'added' | 'changed' | 'removed';
  /** Empty for a policy of the cluster: a guard. */
  readonly namespace: string;
  readonly profile: string;
  /** `KIND.GROUP/NAME`. */
  readonly name: string;
  /** The part of the cluster that enforces it. */
  readonly enforcedBy: 'engine' | 'mesh';
}

/** The two states that are compared. They may differ in the policies that count as enforced alone. */
export interface Comparison {
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly policiesBefore: readonly NetworkPolicy[];
  readonly policiesAfter: readonly NetworkPolicy[];
  /** True if profiles under Audit count as enforced in the later state. */
  readonly asEnforced?: boolean;
  /** Policies of other kinds in each state, if flows go by them. */
  readonly layers?: readonly (SnapshotLayers | undefined)[];
}

export function compareSnapshots({
  before,
  after,
  policiesBefore,
  policiesAfter,
  asEnforced = false,
  layers: [layersBefore, layersAfter] = [],
}: Comparison): SnapshotChanges {
  const podsBefore = layersBefore?.pods ?? before.pods;
  const podsAfter = layersAfter?.pods ?? after.pods;
  const workloads = new Map<Pod, WorkloadPod>([...podsBefore, ...podsAfter].map((pod) => [pod, pod]));
  const groupOf = (pod: Pod): GroupName =>
    workloads.get(pod)?.workload ?? { namespace: pod.namespace, kind: 'Pod', name: pod.name };
  const viewsOf = {
    before: judgedView(before, policiesBefore, layersBefore),
    after: judgedView(after, policiesAfter, layersAfter),
  };
  const policies = policyChanges(policiesBefore, policiesAfter);
  const extensions = extensionChanges(extensionsOf(before, false), extensionsOf(after, asEnforced));
  return {
    namespaces: namespaceChanges(before, after),
    policies,
    extensions,
    rollouts: changedRollouts(before, after, { policies, extensions }),
    exceptions: exceptionChanges(policiesBefore, policiesAfter),
    dependsOn: rulesOfBoth([layersBefore, layersAfter]),
    ...flowChanges(viewsOf.before, viewsOf.after, {
      groupOf,
      isTemplate: (pod) => workloads.get(pod)?.template === true,
    }),
  };
}

function rulesOfBoth(layers: readonly (SnapshotLayers | undefined)[]): LayerRule[] {
  const rules = layers.flatMap((each) => (each === undefined ? [] : unclearRules(each.roles)));
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

/**
 * The extensions of the cluster or, if they were not read, those that enforced profiles ask for; the staged policies of the
 * other profiles; and guards, whose priorities are chosen in the cluster and not compared. By namespace and name.
 */
function extensionsOf(snapshot: Snapshot, asEnforced: boolean): Map<string, KubeObject> {
  const observed = snapshot.isObserved && !asEnforced ? snapshot.ownExtensions : undefined;
  const asked = snapshot.intents().flatMap(({ relation, extensions, staged }) => {
    if (!asEnforced && relation !== 'enforce') return staged;
    return observed === undefined ? extensions : [];
  });
  const held = observed === undefined ? snapshot.held().flatMap(({ extensions }) => extensions) : [];
  const written = [...writtenGuards(snapshot, asEnforced), ...(asEnforced ? [] : stagedGuards(snapshot))];
  const guards = written.map((object: KubeObject & { spec?: object }) => ({
    ...object,
    spec: { ...object.spec, priority: 0, order: 0 },
  }));
  return new Map(
    [...(observed ?? []), ...asked, ...held, ...guards, ...overlayObjects(snapshot, asEnforced)].map(
      (each) => [
        `${each.metadata.namespace ?? ''}/${extensionName(each)}`,
        withOwnerLabels(each, snapshot.ownerOf(each)),
      ],
    ),
  );
}

function extensionChanges(
  before: ReadonlyMap<string, KubeObject>,
  after: ReadonlyMap<string, KubeObject>,
): ExtensionChange[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((key): ExtensionChange[] => {
    const [old, next] = [before.get(key), after.get(key)];
    const either = next ?? old;
    if (either === undefined || (old && next && contentOf(old) === contentOf(next))) return [];
    const { namespace = '', labels = {} } = either.metadata;
    return [
      {
        change: old === undefined ? 'added' : next === undefined ? 'removed' : 'changed',
        namespace,
        profile: labels[LABEL_PROFILE] ?? '',
        name: extensionName(either),
        enforcedBy: MESH_KINDS.some((kind) => kind === either.kind) ? 'mesh' : 'engine',
      },
    ];
  });
}

/** The overlays that profiles ask for; those of the cluster if that is not known, or if the cluster is shown as it is. */
function overlayObjects(snapshot: Snapshot, asEnforced: boolean): readonly KubeObject[] {
  const asked = snapshot.isObserved && !asEnforced ? undefined : overlaysOf(snapshot, asEnforced);
  if (asked !== undefined) return asked.flatMap(({ objects }) => objects);
  return MESH_KINDS.flatMap((kind) => snapshot.objects.of(kind)).filter(
    (object) => snapshot.ownerOf(object) !== undefined,
  );
}

function contentOf(object: KubeObject & { readonly spec?: unknown }): string {
  return canonicalJSON([object.spec, object.metadata.annotations?.[ANNOTATION_RULES]]);
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
    unclear: changes.unclear.filter(isOfNamespace),
    dependsOn: changes.dependsOn,
    rollouts: changes.rollouts.flatMap((each) => rolloutIn(each, namespace)),
    exceptions: changes.exceptions.filter((each) => each.namespace === namespace),
  };
}

/** The rollout as far as it changes something in the namespace. */
function rolloutIn(rollout: ChangedRollout, namespace: string): ChangedRollout[] {
  const waves = rollout.waves.filter(({ namespaces }) => namespaces.includes(namespace));
  if (rollout.atOnce || waves.length === 0) return rollout.atOnce ? [rollout] : [];
  return [{ ...rollout, waves: waves.map((each) => ({ ...each, namespaces: [namespace] })) }];
}
