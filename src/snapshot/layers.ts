/** The policies of network engines and of the mesh that decide beside the NetworkPolicies of a snapshot. Pure. */
import type { Pod } from '../analysis/cluster.ts';
import type { LayeredView, LayerObject } from '../analysis/layers/layered-view.ts';
import type { KubeObject } from '../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../api/names.ts';
import { type LayerKind, MESH_KINDS } from '../engines/layers/engine-kinds.ts';
import type { EngineObjects, EnginePlaces } from '../engines/layers/engine-policy.ts';
import { usesCilium } from '../engines/layers/kinds.ts';
import { layerPolicies } from '../engines/layers/layer-policies.ts';
import { layeredView } from '../engines/layers/layered-view.ts';
import { notesOf, type RuleNote } from '../policy/notes.ts';
import { writtenGuards } from './guards.ts';
import { meshRoots } from './mesh/facts.ts';
import { overlaysOf } from './mesh/overlays.ts';
import { LAYER_KNOWN_KINDS, type KnownKind } from './objects.ts';
import type { WorkloadPod } from './pods.ts';
import type { Snapshot } from './snapshot.ts';

export type SnapshotLayers = LayeredView & {
  readonly pods: readonly WorkloadPod[];
  /** The profile that an object of a layer belongs to, and the rules of the profile; undefined for a foreign one. */
  readonly originOf: (object: LayerObject) => LayerOrigin | undefined;
};

/** The origin of an object of a layer. */
export interface LayerOrigin {
  readonly profile: string;
  /** The rule of the profile behind each rule of the object, in order; empty if the object has none of its own. */
  readonly notes: readonly (RuleNote | undefined)[];
}

/**
 * The layers of a snapshot; undefined if there are none. Of a cluster, all objects count as they are. Of manifests, profiles ask for
 * their own ones.
 *
 * @param asEnforced as if every profile were enforced now
 */
export function layersOf(snapshot: Snapshot, asEnforced = false): SnapshotLayers | undefined {
  const objects = objectsOf(snapshot, asEnforced);
  const policies = layerPolicies(objects);
  if (policies.length === 0) return undefined;
  const labels = new Map(
    snapshot.namespaces.map(({ name, labels: own }) => [name, { ...own, [LABEL_NAMESPACE_NAME]: name }]),
  );
  const known = {
    pods: snapshot.pods,
    labelsOf: (name: string) => labels.get(name) ?? { [LABEL_NAMESPACE_NAME]: name },
  };
  return {
    ...layeredView(known, policies, { podsInIPBlocks: !usesCilium(snapshot), isIdentified }),
    originOf: originsIn(objects),
  };
}

function originsIn({ objects, ownerOf }: EngineObjects<LayerKind>): SnapshotLayers['originOf'] {
  const found = new Map<string, ReadonlyMap<string, KubeObject>>();
  const nameOf = ({ namespace = '', name }: { readonly namespace?: string; readonly name: string }) =>
    `${namespace}/${name}`;
  return (object) => {
    let ofKind = found.get(object.kind);
    if (ofKind === undefined) {
      const list = objects(object.kind as LayerKind);
      found.set(object.kind, (ofKind = new Map(list.map((each) => [nameOf(each.metadata), each]))));
    }
    const policy = ofKind.get(nameOf(object));
    const profile = policy && ownerOf({ ...policy, spec: {} });
    return profile === undefined || policy === undefined ? undefined : { profile, notes: notesOf(policy) };
  };
}

/** A pod that stands for another one of its workload is derived from a pod of the snapshot. */
function isIdentified(pod: Pod): pod is WorkloadPod {
  return 'serviceAccount' in pod;
}

function objectsOf(snapshot: Snapshot, asEnforced: boolean): EngineObjects<LayerKind> {
  const asked = snapshot.isObserved && !asEnforced ? undefined : askedFor(snapshot, asEnforced);
  const isOwn = (object: KubeObject) => snapshot.ownerOf({ ...object, spec: {} }) !== undefined;
  return {
    objects: (kind) => {
      const present = snapshot.objects.of(kind);
      const own = asked?.get(kind);
      return own === undefined ? present : [...present.filter((each) => !isOwn(each)), ...own];
    },
    isRead: (kind) => !snapshot.unread.has(kind),
    ownerOf: (policy) => snapshot.ownerOf(policy),
    namespaces: snapshot.namespaces,
    pods: snapshot.pods,
    places: placesOf(snapshot),
    meshRoots: meshRoots(snapshot.objects),
  };
}

/** Undefined if nodes or the endpoints of the API server are not known. */
function placesOf({ facts, nodes }: Snapshot): EnginePlaces | undefined {
  const apiServer = { kind: 'endpointSlices', namespace: 'default' } as const;
  if (!facts.isKnown({ kind: 'nodes' }) || !facts.isKnown(apiServer)) return undefined;
  return {
    nodes: nodes.flatMap(({ addresses }) => addresses),
    apiServer: facts.endpoints('default', 'kubernetes').flatMap(({ addresses }) => addresses),
  };
}

/** The objects that profiles ask for, by kind. Without their setting, those of the cluster stay. */
function askedFor(snapshot: Snapshot, asEnforced: boolean): ReadonlyMap<string, readonly KubeObject[]> {
  const intents = snapshot.intents().filter(({ relation }) => asEnforced || relation === 'enforce');
  const overlays = overlaysOf(snapshot, asEnforced);
  const objects = [
    ...intents.flatMap(({ extensions }) => extensions),
    ...writtenGuards(snapshot, asEnforced),
    ...(overlays ?? []).flatMap((each) => each.objects),
  ];
  const found = objects.flatMap((object) => {
    const known = knownKind(object);
    return known === undefined ? [] : [[known.kind, { ...object, kind: known.kind }] as const];
  });
  const byKind = Map.groupBy(found, ([kind]) => kind);
  const ofMesh = overlays === undefined ? [] : MESH_KINDS;
  const written = [snapshot.extensionKind, snapshot.guard?.kind, ...ofMesh].filter(
    (kind) => kind !== undefined,
  );
  return new Map(written.map((kind) => [kind, (byKind.get(kind) ?? []).map(([, object]) => object)]));
}

function knownKind({ apiVersion = '', kind = '' }: KubeObject): KnownKind | undefined {
  const [group] = apiVersion.split('/');
  return LAYER_KNOWN_KINDS.find((each) => each.group === group && (each.wireKind ?? each.kind) === kind);
}
