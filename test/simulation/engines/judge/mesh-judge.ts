/** The overlay of a namespace in a converged cluster. Reads the model only. */
import type { KubeObject } from '../../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import { desiredOverlay } from '../../../../src/controller/namespace/desired.ts';
import type { ProfileIntent } from '../../../../src/controller/namespace/gather.ts';
import { planMutualTLS, rulesOutOfMesh } from '../../../../src/engines/istio/mutual-tls.ts';
import {
  type AuthorizationMode,
  planAuthorization,
  planOverlay,
} from '../../../../src/engines/istio/overlay.ts';
import { isTunnelDeny } from '../../../../src/engines/istio/ambient/objects.ts';
import { planTunnels, type TunnelPlan } from '../../../../src/engines/istio/ambient/plan.ts';
import type { Compiled } from '../../../../src/policy/compile.ts';
import { asksForTunnels } from '../../../../src/policy/mesh.ts';
import { lastKnownFrom } from '../../../../src/policy/peers/last-known.ts';
import type { Combination } from '../../schedule/combination.ts';
import { exceptionsInForce } from '../../schedule/exception-policies.ts';
import { intentOf } from '../../schedule/inputs.ts';
import { AUTHORIZATION_POLICY, type Kind, NAMESPACE, PEER_AUTHENTICATION } from '../../server/kinds.ts';
import type { Storage } from '../../server/storage.ts';
import {
  isAmbient,
  isInMesh,
  isLabelledAmbient,
  MESH_KINDS,
  overlaying,
  PROBES,
  TUNNEL_PORT,
} from '../mesh.ts';
import type { NamespaceState, OwnerOf, PostponedDirections } from '../references.ts';

/** The ports on which sidecars serve metrics: these connections do not pass a sidecar. */
const PAST_SIDECARS = { ports: new Set(['15020', '15090']), cidrs: new Set<string>() };
/** Probes of the kubelet do not pass ztunnel. */
const PAST_ZTUNNEL = { ports: new Set<string>(), cidrs: new Set(PROBES) };

/**
 * Describes the objects of a namespace that differ from those for its NetworkPolicies; undefined if none do.
 *
 * @param combination the inputs as they are now
 */
export function unmetOverlay(
  combination: Combination,
  namespace: string,
  { policies, objects }: NamespaceState,
  {
    ownerOf,
    postponed,
    storage,
  }: { readonly ownerOf: OwnerOf; readonly postponed: PostponedDirections; readonly storage: Storage },
): string | undefined {
  const intents = intentsOf(combination, namespace, policies);
  const waiting = new Map(
    [...postponed].map(([profile, directions]) => [
      profile,
      { directions, failure: { reason: 'PeersUnresolved', message: '', kind: 'waiting' as const } },
    ]),
  );
  const desired = desiredOverlay(intents, waiting, {
    observed: policies,
    ownerOf: ({ metadata }) => ownerOf({ metadata }),
    isGated: () => false,
  });
  const ambient = isLabelledAmbient(combination.labels);
  const isMember = (name: string) => (ambient ? isAmbient(storage, name) : isInMesh(storage, name));
  const isInjected = !ambient && combination.labels?.['istio-injection'] === 'enabled';
  const asking = isInjected || ambient ? desired.profiles : [];
  const modes = new Map(
    (ambient ? [] : asking).flatMap(({ metadata, spec }): [string, AuthorizationMode][] => {
      const mode = spec.mesh?.authorization;
      return mode === 'Enforce' || mode === 'Audit' ? [[metadata.name, mode]] : [];
    }),
  );
  const identities = { trustDomain: 'cluster.local', isInMesh: isMember };
  const of = (kind: typeof AUTHORIZATION_POLICY) =>
    objects.filter((each) => each.kind === kind).map(({ object }) => object as KubeObject);
  const tunnels = tunnelPlan(combination, namespace, { policies, objects }, { ownerOf, storage });
  const context = { ownerOf, meshWide: [] };
  const access =
    tunnels === undefined
      ? planAuthorization(of(AUTHORIZATION_POLICY), { ...desired, modes }, { identities, ...context })
      : planOverlay(
          of(AUTHORIZATION_POLICY),
          { policies: tunnels.objects, kept: desired.kept },
          { ...context, emptied: tunnels.emptied },
        );
  const strict = asking
    .filter(({ spec }) => spec.mesh?.mtls === 'Strict')
    .map(({ metadata }) => metadata.name);
  const past = ambient ? PAST_ZTUNNEL : PAST_SIDECARS;
  const isPossible = rulesOutOfMesh(desired.policies, identities, past).length === 0;
  const denies = desired.policies.filter((each) => isDenyOf(each, strict));
  const tls = planMutualTLS(of(PEER_AUTHENTICATION), { denies, isPossible, kept: desired.kept }, { ownerOf });
  const [step] = [...access.widen, ...access.narrow, ...tls.steps];
  if (step !== undefined) return `an object of the overlay is still to be written: ${JSON.stringify(step)}`;
  return leftOver(combination, namespace, { objects, ownerOf });
}

/** Describes an own object that no profile asks for, apart from src/engines; undefined if there is none. */
function leftOver(
  combination: Combination,
  namespace: string,
  { objects, ownerOf }: Pick<NamespaceState, 'objects'> & { readonly ownerOf: OwnerOf },
): string | undefined {
  if (combination.profiles.some(({ isHeld }) => isHeld)) return undefined;
  const asking = overlaying(combination, namespace);
  const isAsked = (kind: Kind) =>
    asking.some(({ spec: { mesh } }) =>
      kind === PEER_AUTHENTICATION
        ? mesh?.mtls === 'Strict'
        : (mesh?.authorization ?? 'Disabled') !== 'Disabled',
    );
  const left = objects.find(
    ({ kind, object }) => MESH_KINDS.includes(kind) && ownerOf(object) !== undefined && !isAsked(kind),
  );
  return left && `${left.kind.kind} ${left.object.metadata.name} is left, and no profile asks for it`;
}

/** The tunnel of a namespace in ambient mode, by the objects as they are; undefined if no profile asks for one. */
export function tunnelPlan(
  combination: Combination,
  namespace: string,
  { policies, objects }: NamespaceState,
  { ownerOf, storage }: { readonly ownerOf: OwnerOf; readonly storage: Storage },
): TunnelPlan | undefined {
  const { labels } = combination;
  if (!isLabelledAmbient(labels) || labels === undefined) return undefined;
  const intents = intentsOf(combination, namespace, policies);
  const enforced = intents.filter(({ relation }) => relation === 'enforce');
  const permits = objects.flatMap(({ kind, object }) => (kind === AUTHORIZATION_POLICY ? [object] : []));
  const owners = new Set([...policies, ...permits].flatMap((each) => ownerOf(each) ?? []));
  const namesOf = (list: readonly ProfileIntent[]) => list.map(({ profile }) => profile.metadata.name);
  const held = namesOf(intents.filter(({ relation }) => relation === 'held'));
  const isRestrictedByHeld = permits.some((each) => isTunnelDeny(each) && held.includes(ownerOf(each) ?? ''));
  if (!isRestrictedByHeld && !enforced.some(({ profile }) => asksForTunnels(profile.spec))) return undefined;
  const namespaces = [...storage.values(NAMESPACE)].map(({ metadata }) => ({
    name: metadata.name,
    labels: metadata.labels ?? {},
  }));
  return planTunnels(
    {
      namespace: { name: namespace, labels },
      profiles: enforced.map(({ profile, compiled }) => ({
        profile: profile.metadata.name,
        isAsking: asksForTunnels(profile.spec),
        policies: compiled.policies,
        unresolved: compiled.unresolved,
      })),
      held,
      leaving: [...owners.difference(new Set([...namesOf(enforced), ...held]))],
      policies,
      objects: permits.filter((each) => ownerOf(each) !== undefined),
      ambient: namespaces.filter((each) => isLabelledAmbient(each.labels)),
    },
    { port: TUNNEL_PORT, trustDomain: 'cluster.local', namespaces },
  );
}

function isDenyOf({ metadata: { labels = {} } }: NetworkPolicy, profiles: readonly string[]): boolean {
  return (
    labels['segmentation.dev/role']?.endsWith('-deny') === true &&
    profiles.includes(labels['segmentation.dev/profile'] ?? '')
  );
}

function intentsOf(
  combination: Combination,
  namespace: string,
  policies: readonly NetworkPolicy[],
): ProfileIntent[] {
  const lastKnown = lastKnownFrom(policies);
  const inForce = exceptionsInForce(combination, namespace, policies);
  return combination.profiles.flatMap(({ asItIs, profile, isHeld }): ProfileIntent[] => {
    if (asItIs === undefined) return [];
    const none: Compiled = { policies: [], extensions: [], unresolved: [], connections: [] };
    const added = inForce.filter((each) => each.profile === asItIs.metadata.name);
    const opened = {
      policies: added.flatMap((each) => each.policies),
      extensions: added.flatMap((each) => each.extensions),
      unresolved: [],
    };
    if (isHeld) return [{ profile: asItIs, relation: 'held', compiled: none, added: opened }];
    const compiled = intentOf(profile, namespace, combination, lastKnown);
    if (profile === undefined || compiled === undefined)
      return [{ profile: asItIs, relation: 'none', compiled: none }];
    return [
      {
        profile,
        relation: 'enforce',
        compiled: {
          ...compiled,
          policies: [...compiled.policies, ...opened.policies],
          extensions: [...compiled.extensions, ...opened.extensions],
        },
      },
    ];
  });
}
