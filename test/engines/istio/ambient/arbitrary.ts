/** Generated profiles for a namespace of a mesh without sidecars, and pods whose connections they decide about. */
import fc from 'fast-check';
import type { IngressRule, Peer, SegmentationProfile } from '../../../../src/api/profile.ts';
import { type Connection, meshProfile, podOf, TUNNEL_PORT } from './world.ts';

const APPS = ['web', 'db'];
export const TARGETS = [
  podOf('shop', 'web', 'default', { app: 'web' }),
  podOf('shop', 'db', 'default', { app: 'db' }),
];
export const SOURCES = ['shop', 'front', 'back', 'ops'].flatMap((namespace) =>
  APPS.flatMap((app) =>
    ['well', 'other'].map((account) => podOf(namespace, `${app}-${account}`, account, { app })),
  ),
);
/** The connections from each source to each target on these ports. */
export function connectionsOn(ports: readonly number[]): readonly Connection[] {
  return TARGETS.flatMap((to) => SOURCES.flatMap((from) => ports.map((port) => ({ from, to, port }))));
}

const pods = fc.constantFrom({ matchLabels: { app: 'web' } }, { matchLabels: { app: 'db' } });
const namespaces = fc.constantFrom(['front'], ['back'], ['front', 'back'], ['ops'], ['shop']);
const peer: fc.Arbitrary<Peer> = fc.oneof(
  namespaces.map((list) => ({ namespaces: list })),
  fc.record({ namespaces, podSelector: pods }),
  fc.record({ podSelector: pods }),
  fc.constantFrom<Peer>(
    { namespaceSelector: {} },
    { namespaceSelector: { matchLabels: { team: 'a' } } },
    { namespaceSelector: { matchLabels: { team: 'a' } }, podSelector: { matchLabels: { app: 'web' } } },
    { serviceAccount: { namespace: 'front', name: 'well' } },
    { serviceAccount: { namespace: 'front', name: 'other' } },
    { ipBlock: { cidr: '192.0.2.0/24' } },
  ),
);
export const tcp = (port: number) => ({ protocol: 'TCP' as const, port });
const ports = fc.constantFrom<IngressRule['ports']>(
  [tcp(80)],
  [tcp(80)],
  [tcp(90)],
  [tcp(80), tcp(90)],
  [{ ...tcp(80), endPort: 90 }],
  [{ protocol: 'TCP', port: 'http' }],
  [{ protocol: 'UDP', port: 53 }],
  [tcp(TUNNEL_PORT)],
  undefined,
);
const rule = fc.record({
  podSelector: fc.constantFrom(
    undefined,
    { matchLabels: { app: 'web' } },
    { matchLabels: { app: 'web' } },
    { matchLabels: { app: 'db' } },
    { matchExpressions: [{ key: 'app', operator: 'In' as const, values: ['web', 'db'] }] },
  ),
  from: fc.array(peer, { minLength: 1, maxLength: 2 }),
  ports,
});
/** Profiles that ask for the tunnel of the namespace `shop`. */
export const profiles: fc.Arbitrary<SegmentationProfile> = fc.array(rule, { maxLength: 4 }).map((rules) =>
  meshProfile(
    rules.map(
      ({ podSelector, from, ports: each }, i): IngressRule => ({
        name: `r${i}`,
        from,
        ...(podSelector && { podSelector }),
        ...(each && { ports: each }),
      }),
    ),
  ),
);
