/** The overlays of identities that the profiles of a snapshot ask for, as the operator writes them. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_ROLE } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Identities } from '../../engines/istio/authorization.ts';
import { pastSidecars, planMutualTLS, rulesOutOfMesh } from '../../engines/istio/mutual-tls.ts';
import { type AuthorizationMode, planAuthorization, planOverlay } from '../../engines/istio/overlay.ts';
import type { AuthorizationPolicy } from '../../engines/istio/policy.ts';
import { isTransition } from '../../engines/istio/transition.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { asNetworkPolicy } from '../../policy/extensions.ts';
import { asksForOverlay, hasOverlay, injectsAll, type MeshConfiguration, modeOf } from '../../policy/mesh.ts';
import { isolates } from '../../policy/semantics/normalize.ts';
import type { ProfileIntent, Snapshot, SnapshotNamespace } from '../snapshot.ts';

/** AuthorizationPolicies and PeerAuthentications. */
export interface SnapshotOverlay {
  readonly namespace: SnapshotNamespace;
  readonly objects: readonly KubeObject[];
  /** The profiles that ask for one. */
  readonly profiles: readonly SegmentationProfile[];
  /**
   * `outside`: the namespace is not in the mesh, or is its root; `ambient`: its pods have no sidecars, and PeerAuthentications
   * are those that are there; `untunnelled`: the same, and no profile asks for what authorization needs there.
   */
  readonly state: 'in-mesh' | 'outside' | 'ambient' | 'untunnelled';
}

/**
 * The overlays of all namespaces in which a profile asks for one; undefined if the mesh is not known.
 *
 * @param asEnforced as if every profile were enforced
 */
export function overlaysOf(snapshot: Snapshot, asEnforced: boolean): SnapshotOverlay[] | undefined {
  const facts = snapshot.facts.mesh();
  if (facts?.kind !== 'available') return undefined;
  const identities = identitiesOf(snapshot, facts);
  const intents = snapshot.intents().filter(({ relation }) => asEnforced || relation === 'enforce');
  const byNamespace = Map.groupBy(intents, ({ namespace }) => namespace);
  return [...byNamespace].flatMap(([namespace, own]): SnapshotOverlay[] => {
    const profiles = own.map(({ profile }) => profile).filter(({ spec }) => asksForOverlay(spec.mesh));
    if (profiles.length === 0) return [];
    const outside = { namespace, profiles, objects: [], state: 'outside' } as const;
    const mode = modeOf(facts, namespace);
    if (!hasOverlay(mode)) return [outside];
    if (mode === 'ambient') {
      const plan = snapshot.tunnelPlan(namespace, own);
      const objects = ambientObjects(snapshot, namespace, plan?.objects ?? []);
      return [{ namespace, profiles, objects, state: plan === undefined ? 'untunnelled' : 'ambient' }];
    }
    const objects = objectsOf({ snapshot, namespace, facts, identities }, own, profiles);
    return [{ namespace, profiles, objects, state: 'in-mesh' }];
  });
}

/** The AuthorizationPolicies of the tunnel, and the PeerAuthentications of the profiles that are there. */
function ambientObjects(
  snapshot: Snapshot,
  { name }: SnapshotNamespace,
  policies: readonly AuthorizationPolicy[],
): KubeObject[] {
  const ownerOf = (object: KubeObject) => snapshot.ownerOf(object);
  const [authorizations = [], authentications = []] = ['AuthorizationPolicy', 'PeerAuthentication'].map(
    (kind) => snapshot.objects.of(kind).filter(({ metadata }) => metadata.namespace === name),
  );
  const isOwn = (object: KubeObject) => ownerOf(object) !== undefined;
  const named = namesOfForeign(authorizations, isOwn);
  const { widen, narrow } = planOverlay(named, { policies, kept: new Set() }, { ownerOf, meshWide: [] });
  return [...applied(authorizations.filter(isOwn), [...widen, ...narrow]), ...authentications.filter(isOwn)];
}

/** Foreign policies by their names alone: the final objects depend on nothing else of them. */
function namesOfForeign(
  objects: readonly KubeObject[],
  isOwn: (object: KubeObject) => boolean,
): KubeObject[] {
  return objects.map((each) => (isOwn(each) ? each : { metadata: { name: each.metadata.name } }));
}

interface OverlayContext {
  readonly snapshot: Snapshot;
  readonly namespace: SnapshotNamespace;
  readonly facts: MeshConfiguration;
  readonly identities: Identities;
}

function objectsOf(
  { snapshot, namespace, facts, identities }: OverlayContext,
  intents: readonly ProfileIntent[],
  profiles: readonly SegmentationProfile[],
): KubeObject[] {
  const policies = intents.flatMap(ingressPolicies);
  const ownerOf = (object: KubeObject) => snapshot.ownerOf(object);
  const observed = (kind: string) =>
    snapshot.objects.of(kind).filter(({ metadata }) => metadata.namespace === namespace.name);
  const kept = new Set<string>();
  const modes = new Map(
    profiles.flatMap(({ metadata, spec }) => {
      const mode = spec.mesh?.authorization;
      return mode === 'Enforce' || mode === 'Audit'
        ? [[metadata.name, mode satisfies AuthorizationMode] as const]
        : [];
    }),
  );
  const [authorizations, authentications] = [observed('AuthorizationPolicy'), observed('PeerAuthentication')];
  const named = namesOfForeign(authorizations, (each) => ownerOf(each) !== undefined);
  const context = { identities, ownerOf, meshWide: [] };
  const access = planAuthorization(named, { policies, modes, kept }, context);
  const strict = new Set(
    profiles.filter(({ spec }) => spec.mesh?.mtls === 'Strict').map(({ metadata }) => metadata.name),
  );
  const denies = policies.filter(
    ({ metadata: { labels = {} } }) =>
      labels[LABEL_ROLE]?.endsWith('-deny') === true &&
      strict.has(snapshot.ownerOf({ metadata: { name: '', labels } }) ?? ''),
  );
  const isPossible = rulesOutOfMesh(policies, identities, pastSidecars(facts)).length === 0;
  const tls = planMutualTLS(authentications, { denies, isPossible, kept }, { ownerOf });
  return [
    ...applied(
      authorizations.filter((each) => ownerOf(each) !== undefined),
      [...access.widen, ...access.narrow],
    ),
    ...applied(
      authentications.filter((each) => ownerOf(each) !== undefined),
      tls.steps,
    ),
  ];
}

function ingressPolicies({ policies, compiled }: ProfileIntent): NetworkPolicy[] {
  return [
    ...policies.filter(({ spec }) => isolates(spec).includes('Ingress')),
    ...compiled.extensions.filter(({ direction }) => direction === 'Ingress').map(asNetworkPolicy),
  ];
}

/** The objects after the steps, without the cover that stands only meanwhile. */
function applied(own: readonly KubeObject[], steps: readonly ObjectStep[]): KubeObject[] {
  const objects = new Map(own.map((object) => [object.metadata.name, object]));
  for (const step of steps) {
    if (step.verb === 'delete') objects.delete(step.before.metadata.name);
    else objects.set(step.object.metadata.name, step.object);
  }
  return [...objects.values()].filter((each) => !isTransition(each));
}

/** A namespace is in the mesh if it injects sidecars, and no pod lacks one. Pods to be created will have theirs. */
function identitiesOf(snapshot: Snapshot, facts: MeshConfiguration): Identities {
  const namespaces = new Map(snapshot.namespaces.map((each) => [each.name, each]));
  const withOthers = new Set(
    snapshot.pods
      .filter(({ fresh, labels }) =>
        fresh
          ? labels['sidecar.istio.io/inject'] === 'false'
          : labels['security.istio.io/tlsMode'] !== 'istio',
      )
      .map(({ namespace }) => namespace),
  );
  const domains = new Set(facts.controlPlanes.map(({ trustDomain }) => trustDomain));
  const [trustDomain] = domains;
  return {
    trustDomain: domains.size === 1 ? trustDomain : undefined,
    isInMesh: (name) => {
      const labels = namespaces.get(name)?.labels;
      return labels !== undefined && injectsAll(facts, labels) && !withOthers.has(name);
    },
  };
}
