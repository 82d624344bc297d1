/** Profiles for proposed connections, and the policies that they compile to. Pure. */
import type { KubeObject, LabelSelector } from '../../../api/meta.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { API_VERSION, KIND } from '../../../api/names.ts';
import type { Connection, SegmentationProfile } from '../../../api/profile.ts';
import { admitProfile } from '../../snapshot/profile.ts';
import { ObjectSet } from '../../../snapshot/objects.ts';
import { Snapshot } from '../../../snapshot/snapshot.ts';

export interface ProfilesInput {
  readonly name: string;
  readonly namespaceSelector: LabelSelector;
  readonly connections: readonly Connection[];
}

/** The schema's bound on the connections of a profile. Profiles add to each other, so that more go to a further one. */
const MAX_CONNECTIONS = 64;

/** Manifests of profiles under Audit: applying them changes no traffic. */
export function profilesFor({ name, namespaceSelector, connections }: ProfilesInput): KubeObject[] {
  const parts: (readonly Connection[])[] = [];
  for (let start = 0; start === 0 || start < connections.length; start += MAX_CONNECTIONS)
    parts.push(connections.slice(start, start + MAX_CONNECTIONS));
  return parts.map((part, index) =>
    profileOf(index === 0 ? name : `${name}-${index + 1}`, namespaceSelector, part),
  );
}

function profileOf(
  name: string,
  namespaceSelector: LabelSelector,
  connections: readonly Connection[],
): KubeObject & { readonly spec: object } {
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name },
    spec: {
      mode: 'Audit',
      namespaceSelector,
      isolation: ['Ingress', 'Egress'],
      ...(connections.length > 0 && { connections }),
    },
  };
}

/** The policies that these profiles alone compile to in the namespaces of a snapshot. */
export function policiesOf(profiles: readonly KubeObject[], snapshot: Snapshot): readonly NetworkPolicy[] {
  const objects = new ObjectSet();
  for (const [kind, object] of snapshot.objects.entries())
    if (kind !== KIND && kind !== 'NetworkPolicy') objects.put(kind, object);
  for (const profile of profiles) {
    const { value, violations } = admitProfile(profile);
    const [violation] = violations;
    if (violation !== undefined)
      throw new TypeError(`proposed an invalid profile: ${JSON.stringify(violation)}`);
    objects.put(KIND, value as SegmentationProfile);
  }
  return new Snapshot({
    objects,
    assumed: snapshot.namespaces.filter(({ assumed }) => assumed).map(({ name }) => name),
    unread: snapshot.unread,
    configuration: snapshot.configuration,
    protectedNamespaces: [...snapshot.protectedNamespaces],
    origin: snapshot.origin,
    isObserved: false,
    namespace: snapshot.namespace,
  }).effective(true);
}
