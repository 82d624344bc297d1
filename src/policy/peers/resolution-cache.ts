/**
 * Caches what a peer resolved to while the cluster facts that it was resolved from stay the same. Most peers resolve
 * alike in every namespace, and a profile is compiled for thousands of namespaces.
 *
 * Each query of the facts is repeated on a hit, because the provider of the facts records which peer sources a
 * namespace depends on. No other state; nothing is read but the facts.
 */
import type { Peer } from '../../api/profile.ts';
import type { ClusterFacts } from '../facts.ts';
import type { PeerContext, Resolution } from './resolution.ts';

type Resolver<T extends Peer> = (peer: T, context: PeerContext) => Resolution;

interface Query {
  readonly run: (cluster: ClusterFacts) => unknown;
  readonly answer: unknown;
}

interface CachedResolution {
  readonly queries: readonly Query[];
  readonly resolution: Resolution;
}

/** `resolve` with a cache. It must depend on nothing but the peer, the cluster facts and `impliesPorts`. */
export function cached<T extends Peer>(resolve: Resolver<T>): Resolver<T> {
  const withImpliedPorts = new WeakMap<T, CachedResolution>();
  const withoutPorts = new WeakMap<T, CachedResolution>();
  return (peer, context) => {
    const { cluster, impliesPorts } = context;
    const cache = impliesPorts ? withImpliedPorts : withoutPorts;
    const entry = cache.get(peer);
    if (entry?.queries.every(({ run, answer }) => isSame(run(cluster), answer))) return entry.resolution;
    const { queries, facts } = recording(cluster);
    const resolution = resolve(peer, { ...context, cluster: facts });
    cache.set(peer, { queries, resolution });
    return resolution;
  };
}

/** Facts that answer as `cluster` does, and the queries that were made of them so far. */
function recording(cluster: ClusterFacts): { queries: Query[]; facts: ClusterFacts } {
  const queries: Query[] = [];
  const ask = <T>(run: (facts: ClusterFacts) => T): T => {
    const answer = run(cluster);
    queries.push({ run, answer });
    return answer;
  };
  return {
    queries,
    facts: {
      get configuration() {
        return ask(({ configuration }) => configuration);
      },
      isKnown: (source) => ask((facts) => facts.isKnown(source)),
      service: (namespace, name) => ask((facts) => facts.service(namespace, name)),
      labelledDNS: () => ask((facts) => facts.labelledDNS()),
      endpoints: (namespace, service) => ask((facts) => facts.endpoints(namespace, service)),
      nodes: () => ask((facts) => facts.nodes()),
      serviceCIDRs: () => ask((facts) => facts.serviceCIDRs()),
      webhookServices: (namespace) => ask((facts) => facts.webhookServices(namespace)),
      serviceAccount: (namespace, name) => ask((facts) => facts.serviceAccount(namespace, name)),
      engine: () => ask((facts) => facts.engine()),
      mesh: () => ask((facts) => facts.mesh()),
    },
  };
}

/** True for one value, and for lists of the same values: facts are never changed in place. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
