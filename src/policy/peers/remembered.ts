/**
 * Remembers what a peer resolved to, for as long as the cluster gives the same answers to the same questions: most
 * peers resolve alike in every namespace, and a profile is compiled for thousands of them.
 *
 * Every question is asked again each time, so that whoever answers still learns what the namespace depends on.
 */
import type { Peer } from '../../api/profile.ts';
import type { ClusterFacts } from '../facts.ts';
import type { PeerContext, Resolution } from './resolution.ts';

interface Answered {
  readonly question: (cluster: ClusterFacts) => unknown;
  readonly answer: unknown;
}

interface Memory {
  readonly asked: readonly Answered[];
  readonly resolution: Resolution;
}

/** The same as `resolve`, which must depend on nothing but the peer, the cluster and whether ports are implied. */
export function remembered<T extends Peer>(
  resolve: (peer: T, context: PeerContext) => Resolution,
): (peer: T, context: PeerContext) => Resolution {
  const implying = new WeakMap<T, Memory>();
  const plain = new WeakMap<T, Memory>();
  return (peer, context) => {
    const { cluster, impliesPorts } = context;
    const memories = impliesPorts ? implying : plain;
    const memory = memories.get(peer);
    if (memory?.asked.every(({ question, answer }) => isSame(question(cluster), answer)))
      return memory.resolution;
    const { asked, facts } = recording(cluster);
    const resolution = resolve(peer, { ...context, cluster: facts });
    memories.set(peer, { asked, resolution });
    return resolution;
  };
}

/** The same facts, and every question that is asked of them with its answer. */
function recording(cluster: ClusterFacts): { asked: Answered[]; facts: ClusterFacts } {
  const asked: Answered[] = [];
  const ask = <T>(question: (facts: ClusterFacts) => T): T => {
    const answer = question(cluster);
    asked.push({ question, answer });
    return answer;
  };
  return {
    asked,
    facts: {
      get configuration() {
        return ask(({ configuration }) => configuration);
      },
      isKnown: (source) => ask((facts) => facts.isKnown(source)),
      service: (namespace, name) => ask((facts) => facts.service(namespace, name)),
      endpoints: (namespace, service) => ask((facts) => facts.endpoints(namespace, service)),
      nodes: () => ask((facts) => facts.nodes()),
      serviceCIDRs: () => ask((facts) => facts.serviceCIDRs()),
      webhookServices: (namespace) => ask((facts) => facts.webhookServices(namespace)),
      serviceAccount: (namespace, name) => ask((facts) => facts.serviceAccount(namespace, name)),
    },
  };
}

/** The same value, or lists of the same values: facts are never changed in place. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
