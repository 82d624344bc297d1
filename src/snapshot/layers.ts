/** The policies of network engines and of the mesh that decide beside the NetworkPolicies of a snapshot. Pure. */
import type { Pod } from '../analysis/cluster.ts';
import type { JudgedView } from '../analysis/flow-changes.ts';
import type { LayeredView, LayerObject } from '../analysis/layers/layered-view.ts';
import type { KubeObject } from '../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import { GUARD_CARRIERS } from '../engines/guards/carriers.ts';
import { type LayerKind, MESH_KINDS } from '../engines/layers/engine-kinds.ts';
import type { EngineObjects, EnginePlaces, EnginePolicy } from '../engines/layers/engine-policy.ts';
import { usesCilium } from '../engines/layers/kinds.ts';
import { layerPolicies } from '../engines/layers/layer-policies.ts';
import { layeredView } from '../engines/layers/layered-view.ts';
import { notesOf, type RuleNote } from '../policy/notes.ts';
import { writtenGuards } from './guards/guards.ts';
import { meshRoots } from './mesh/facts.ts';
import { overlaysOf } from './mesh/overlays.ts';
import { furtherKind, LAYER_KNOWN_KINDS, type KnownKind, ObjectSet } from './objects.ts';
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

export interface LayerOptions {
  /** True to count every profile as enforced. */
  readonly asEnforced?: boolean;
  /** Guards that count instead of those of the profiles; only with `asEnforced`. */
  readonly guards?: readonly KubeObject[];
  /** Policies that count besides. */
  readonly inFront?: readonly EnginePolicy[];
}

/**
 * The layers of a snapshot; undefined if there are none. Of a cluster, all objects count as they are. Of manifests, profiles
 * ask for their own ones.
 */
export function layersOf(snapshot: Snapshot, options: LayerOptions = {}): SnapshotLayers | undefined {
  const { inFront = [] } = options;
  return layersIn(snapshot, objectsOf(snapshot, options), { podsInIPBlocks: !usesCilium(snapshot), inFront });
}

/** The policies behind the layers. */
export function layerPoliciesOf(snapshot: Snapshot, options: LayerOptions): readonly EnginePolicy[] {
  return layerPolicies(objectsOf(snapshot, options));
}

/** The layers of these guards alone, as if there were no other policies beside NetworkPolicies. */
export function layersOfGuards(
  snapshot: Snapshot,
  guards: readonly KubeObject[],
): SnapshotLayers | undefined {
  const byKind = byKnownKind(withRequired(guards, new ObjectSet()));
  const objects = {
    ...objectsOf(snapshot, {}),
    objects: (kind: LayerKind) => byKind.get(kind) ?? [],
    isRead: () => true,
  };
  return layersIn(snapshot, objects, { podsInIPBlocks: true, inFront: [] });
}

/** NetworkPolicies and layers as one view. */
export function judgedView(
  { namespaces, pods }: Snapshot,
  policies: readonly NetworkPolicy[],
  layers: SnapshotLayers | undefined,
): JudgedView {
  if (layers === undefined) return { namespaces, pods, policies };
  const { standIns, roles, podsInIPBlocks } = layers;
  return { namespaces, pods: layers.pods, policies: [...policies, ...standIns], roles, podsInIPBlocks };
}

function layersIn(
  snapshot: Snapshot,
  objects: EngineObjects<LayerKind>,
  { podsInIPBlocks, inFront }: Pick<LayeredView, 'podsInIPBlocks'> & Required<Pick<LayerOptions, 'inFront'>>,
): SnapshotLayers | undefined {
  const policies = [...inFront, ...layerPolicies(objects)];
  if (policies.length === 0) return undefined;
  const labels = new Map(
    snapshot.namespaces.map(({ name, labels: own }) => [name, { ...own, [LABEL_NAMESPACE_NAME]: name }]),
  );
  const known = {
    pods: snapshot.pods,
    labelsOf: (name: string) => labels.get(name) ?? { [LABEL_NAMESPACE_NAME]: name },
  };
  return {
    ...layeredView(known, policies, { podsInIPBlocks, isIdentified }),
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
    const profile = policy && ownerOf(policy);
    return profile === undefined || policy === undefined ? undefined : { profile, notes: notesOf(policy) };
  };
}

/** A pod that stands for another one of its workload is derived from a pod of the snapshot. */
function isIdentified(pod: Pod): pod is WorkloadPod {
  return 'serviceAccount' in pod;
}

function objectsOf(snapshot: Snapshot, options: LayerOptions): EngineObjects<LayerKind> {
  const asked = snapshot.isObserved && options.asEnforced !== true ? undefined : askedFor(snapshot, options);
  const isOwn = (object: KubeObject) => snapshot.ownerOf(object) !== undefined;
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
function askedFor(
  snapshot: Snapshot,
  { asEnforced = false, guards }: LayerOptions,
): ReadonlyMap<string, readonly KubeObject[]> {
  const intents = snapshot.intents().filter(({ relation }) => asEnforced || relation === 'enforce');
  const overlays = overlaysOf(snapshot, asEnforced);
  const objects = [
    ...intents.flatMap(({ extensions }) => extensions),
    ...withRequired(guards ?? writtenGuards(snapshot, asEnforced), snapshot.objects),
    ...(overlays ?? []).flatMap((each) => each.objects),
  ];
  const byKind = byKnownKind(objects);
  const ofMesh = overlays === undefined ? [] : MESH_KINDS;
  const ofGuards = guards === undefined ? [snapshot.guard?.kind] : GUARD_CARRIERS.map(({ kind }) => kind);
  const written = [snapshot.extensionKind, ...ofGuards, ...ofMesh].filter((kind) => kind !== undefined);
  return new Map([...byKind, ...written.map((kind) => [kind, byKind.get(kind) ?? []] as const)]);
}

/** Guards, with the objects without which the engine does not enforce them, as if these were installed. */
function withRequired(guards: readonly KubeObject[], objects: ObjectSet): readonly KubeObject[] {
  const required = GUARD_CARRIERS.flatMap(({ kind, group, requires }) => {
    if (requires === undefined || !guards.some((each) => each.kind === kind)) return [];
    const { plural, name, installed } = requires;
    const known = furtherKind({ group, plural });
    return known === undefined || objects.get(known.kind, name) !== undefined ? [] : [installed];
  });
  return [...guards, ...required];
}

function byKnownKind(objects: readonly KubeObject[]): ReadonlyMap<string, readonly KubeObject[]> {
  const found = objects.flatMap((object) => {
    const known = knownKind(object);
    return known === undefined ? [] : [{ ...object, kind: known.kind }];
  });
  return Map.groupBy(found, ({ kind }) => kind);
}

function knownKind({ apiVersion = '', kind = '' }: KubeObject): KnownKind | undefined {
  const [group] = apiVersion.split('/');
  return LAYER_KNOWN_KINDS.find((each) => each.group === group && (each.wireKind ?? each.kind) === kind);
}
