/**
 * PeerAuthentications as a gate: under STRICT, pods of the mesh let in no connection without mutual TLS. The mode of a pod is
 * that of its workload, else of its namespace, else of the mesh; the oldest object of each decides. Pure.
 */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { isRecord } from '../../util/is-record.ts';
import { compareText } from '../../util/order.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { type Raw, recordOf, textOf } from '../../policy/semantics/raw.ts';
import {
  type Candidate,
  type EnginePolicy,
  type EngineRule,
  type PodMatcher,
  type UnclearPart,
  OUTSIDE,
} from '../layers/engine-policy.ts';
import { membershipOf } from './membership.ts';
import { MESH_PORTS, PROXIES } from './read-policies.ts';

/** A PeerAuthentication as far as it is read. */
interface Authentication {
  readonly object: EnginePolicy['object'];
  readonly namespace: string;
  readonly age: string;
  /** Absent: of the namespace, or of the mesh. */
  readonly labels?: StringMap;
  readonly mode: string;
  readonly hasPorts: boolean;
}

/** @param roots the namespaces whose policies are for the whole mesh */
export function peerAuthentications(
  objects: readonly KubeObject[],
  roots: ReadonlySet<string>,
): EnginePolicy[] {
  const all = objects.map(read).toSorted((a, b) => compareText(a.age, b.age));
  return all
    .filter(({ mode, hasPorts }) => mode === 'STRICT' || hasPorts)
    .map((each): EnginePolicy => {
      const subject: PodMatcher = (candidate) => inForce(candidate, all, roots) === each;
      const isOfMesh = roots.has(each.namespace) && each.labels === undefined;
      const base = { object: each.object, ...(isOfMesh && { isOfAnyNamespace: true }) };
      return { ...base, rules: [], unclear: [], isolates: [], gate: gateOf(each, subject) };
    });
}

function read({ metadata, ...rest }: KubeObject): Authentication {
  const { namespace = '', name, creationTimestamp = '' } = metadata;
  const spec = recordOf((rest as Raw)['spec']);
  const labels = recordOf(spec['selector'])['matchLabels'];
  return {
    object: { kind: 'PeerAuthentication', namespace, name },
    namespace,
    age: `${creationTimestamp} ${name}`,
    ...(isRecord(labels) && { labels: labels as StringMap }),
    mode: textOf(recordOf(spec['mtls'])['mode']) || 'UNSET',
    hasPorts: Object.keys(recordOf(spec['portLevelMtls'])).length > 0,
  };
}

/** The object that decides about a pod. */
function inForce(
  { pod }: Candidate,
  all: readonly Authentication[],
  roots: ReadonlySet<string>,
): Authentication | undefined {
  const { namespace, labels } = pod;
  const isOfWorkload = (each: Authentication) =>
    each.namespace === namespace &&
    each.labels !== undefined &&
    matches({ matchLabels: each.labels }, labels);
  const isWhole = ({ labels: own }: Authentication) => own === undefined;
  const isOfNamespace = (each: Authentication) => each.namespace === namespace && isWhole(each);
  const isOfMesh = (each: Authentication) => roots.has(each.namespace) && isWhole(each);
  const levels = [isOfWorkload, isOfNamespace, isOfMesh];
  return levels
    .map((isOfLevel) => all.find(isOfLevel))
    .find((each) => each !== undefined && (each.mode !== 'UNSET' || each.hasPorts));
}

function gateOf({ mode, hasPorts }: Authentication, subject: PodMatcher): NonNullable<EnginePolicy['gate']> {
  const isMembership = (candidate: Candidate, ...wanted: readonly string[]) =>
    wanted.includes(membershipOf(candidate));
  const plain = [(candidate: Candidate) => isMembership(candidate, 'outside'), ...OUTSIDE];
  const at = {
    field: hasPorts ? 'spec.portLevelMtls' : 'spec.mtls.mode',
    direction: 'Ingress',
    order: { phase: 'before', effect: 'deny', tier: 0, place: [0] },
  } as const;
  const ofProxies = PROXIES.map(({ of, every }): EngineRule => {
    const own: PodMatcher = (candidate) => isMembership(candidate, of) && subject(candidate);
    return { ...at, subject: own, peers: plain, ports: every };
  });
  /** Proxies of different kinds may speak without mutual TLS to each other. */
  const others = (of: string) => [(candidate: Candidate) => !isMembership(candidate, of), ...OUTSIDE];
  const maybe: PodMatcher = (candidate) => isMembership(candidate, 'unknown') && subject(candidate);
  const unclear: UnclearPart[] = [
    ...ofProxies.map((rule, index) => ({
      ...rule,
      peers: others(PROXIES[index]?.of ?? ''),
      what: hasPorts ? 'the mode of single ports' : 'whether the source is in the mesh',
    })),
    {
      ...at,
      subject: maybe,
      peers: [(candidate) => isMembership(candidate, 'outside', 'unknown'), ...OUTSIDE],
      ports: MESH_PORTS,
      what: 'whether its pods are in the mesh',
    },
  ];
  return { rules: hasPorts || mode !== 'STRICT' ? [] : ofProxies, unclear };
}
