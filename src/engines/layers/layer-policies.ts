/**
 * The policies of all engines and of the mesh that an evaluation goes by. An object of a kind that nobody understands, and a
 * kind that could not be read, are policies that may allow or deny anything to their pods. Pure.
 */
import type { KubeObject } from '../../api/meta.ts';
import { DIRECTIONS } from '../../api/network-policy.ts';
import { ROOT_NAMESPACE } from '../istio/mesh-config.ts';
import { peerAuthentications } from '../istio/read-mutual-tls.ts';
import { ambientTunnels } from '../istio/read-tunnels.ts';
import { authorizationPolicy } from '../istio/read-policies.ts';
import { ENGINE_KINDS, type LayerKind, MESH_KINDS } from './engine-kinds.ts';
import type {
  EngineObjects,
  EnginePolicy,
  PodMatcher,
  PolicyReference,
  UnclearPart,
} from './engine-policy.ts';
import { enginePolicies } from './kinds.ts';
import { UNREAD_KINDS } from './unread-kinds.ts';

/** All kinds that an evaluation reads, those that are no policies too. */
export const LAYER_KINDS: readonly LayerKind[] = [
  ...Object.values(ENGINE_KINDS).flat(),
  ...MESH_KINDS,
  ...UNREAD_KINDS.map(({ kind }) => kind),
];

export function layerPolicies(given: EngineObjects<LayerKind>): EnginePolicy[] {
  const { objects, isRead, meshRoots = new Set([ROOT_NAMESPACE]) } = given;
  return [
    ...enginePolicies(given, { withOwn: true }),
    ...objects('AuthorizationPolicy').flatMap((each) => authorizationPolicy(each, meshRoots) ?? []),
    ...peerAuthentications(objects('PeerAuthentication'), meshRoots),
    ...ambientTunnels(given),
    ...UNREAD_KINDS.flatMap(({ kind }) => objects(kind).map((each) => unreadObject(kind, each))),
    ...LAYER_KINDS.filter((kind) => !isRead(kind)).map(unreadKind),
  ];
}

function unreadObject(kind: string, { metadata: { namespace, name } }: KubeObject): EnginePolicy {
  const reference = { kind, ...(namespace !== undefined && { namespace }), name };
  return undecided(
    reference,
    ({ pod }) => namespace === undefined || pod.namespace === namespace,
    'a kind that is not understood',
  );
}

function unreadKind(kind: string): EnginePolicy {
  return undecided({ kind, name: '*' }, () => true, 'objects that could not be listed');
}

/** A policy that may allow or deny anything before all others. */
function undecided(object: PolicyReference, subject: PodMatcher, what: string): EnginePolicy {
  const unclear = DIRECTIONS.flatMap((direction) =>
    (['allow', 'deny'] as const).map((effect): UnclearPart => {
      const order = { phase: 'before', effect, tier: Number.MIN_SAFE_INTEGER, place: [] } as const;
      return { field: '', direction, subject, peers: 'any', ports: 'any', order, what };
    }),
  );
  return { object, rules: [], unclear, isolates: [] };
}
