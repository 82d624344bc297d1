/**
 * The objects of passages: entrances are NetworkPolicies on the tunnel's port, and permits are AuthorizationPolicies. One of
 * each for a profile and a podSelector, under the same name. Read back, they are the state that a plan begins with. Pure.
 */
import type { KubeObject, LabelSelector, ObjectMeta } from '../../../api/meta.ts';
import {
  ANNOTATION_RULES,
  endLabel,
  EXCEPTION_STAND_IN,
  exceptionPolicyName,
  LABEL_EXCEPTION,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  MANAGER,
  policyName,
} from '../../../api/names.ts';
import type { NetworkPolicy, NetworkPolicyPeer } from '../../../api/network-policy.ts';
import { isTransition } from '../../../policy/planning/transition.ts';
import { formatNotes, type RuleNote } from '../../../policy/notes.ts';
import { listOf, type Raw, recordOf, selectorOf, textsOf } from '../../../policy/semantics/raw.ts';
import { canonicalSelector, intersection, selectorKey } from '../../../policy/semantics/selector.ts';
import { ENROLLED, TUNNEL_RULE } from '../../../policy/tunnel-rule.ts';
import { isTunnel } from '../../../policy/tunnels.ts';
import { canonicalJSON } from '../../../util/canonical-json.ts';
import {
  type AuthorizationPolicy,
  type AuthorizationRule,
  SECURITY_API_VERSION,
  type Source as AuthorizationSource,
} from '../policy.ts';
import type { OwnEntrance, OwnPermit } from './choose.ts';
import { isOverlayCover } from '../transition.ts';
import { type Identity, type Ports, withName } from './passages.ts';

const ENROLLED_KEYS = new Set(ENROLLED.matchExpressions?.map(({ key }) => key));

/** The metadata that policies of a profile share in a namespace. */
export type ProfileMetadata = Pick<ObjectMeta, 'namespace' | 'ownerReferences'>;

/** The owner of entrances: a profile or, within it, an exception, of which the note says when it ends. */
export interface EntranceOwner {
  readonly profile: string;
  readonly exception?: string;
  readonly metadata: ProfileMetadata;
  readonly note?: RuleNote;
}

/** The NetworkPolicies of a profile or exception that open the tunnel's port. */
export function tunnelPolicies(
  owner: EntranceOwner,
  entrances: readonly OwnEntrance[],
  port: number,
): NetworkPolicy[] {
  const own = entrances.filter((each) => each.exception === owner.exception);
  return groups(owner.profile, own).map(([pods, group]): NetworkPolicy => {
    const peers = new Map(group.map(({ source }) => [canonicalJSON(peerOf(source)), peerOf(source)]));
    const from = [...peers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, peer]) => peer);
    const note = { description: 'other pods of the mesh', ...owner.note, rule: TUNNEL_RULE };
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {
        ...ownMetadata(owner, pods),
        annotations: { [ANNOTATION_RULES]: formatNotes([note]) },
      },
      spec: {
        podSelector: intersection(pods, ENROLLED),
        policyTypes: ['Ingress'],
        ingress: [{ from, ports: [{ protocol: 'TCP', port }] }],
      },
    };
  });
}

/** The AuthorizationPolicies of a profile that say who reaches which ports through the tunnel. */
export function permitPolicies(
  profile: string,
  permits: readonly OwnPermit[],
  { trustDomain, metadata }: { readonly trustDomain: string | undefined; readonly metadata: ProfileMetadata },
): AuthorizationPolicy[] {
  return groups(profile, permits).flatMap(([pods, group]) => {
    const [first, ...more] = rulesFor(group, trustDomain);
    if (first === undefined) return [];
    const { matchLabels } = pods;
    const notes = formatNotes([first, ...more].map(() => ({ rule: TUNNEL_RULE })));
    return [
      {
        apiVersion: SECURITY_API_VERSION,
        kind: 'AuthorizationPolicy',
        // Under an alternative name, and without its labels, the notes alone tell a permit from other policies of the overlay.
        metadata: { ...named(profile, pods, metadata), annotations: { [ANNOTATION_RULES]: notes } },
        spec: { action: 'ALLOW', ...(matchLabels && { selector: { matchLabels } }), rules: [first, ...more] },
      },
    ];
  });
}

/**
 * Restricts connections through the tunnel to those that another policy permits. Connections without an identity come on the
 * ports themselves, where the NetworkPolicies decide.
 */
export const DENY_TUNNEL: AuthorizationPolicy['spec'] = {
  action: 'ALLOW',
  rules: [{ from: [{ source: { notPrincipals: ['*'] } }] }],
};

/** True if the object restricts the connections through the tunnel. */
export function isTunnelDeny({ spec }: KubeObject & { readonly spec?: unknown }): boolean {
  return canonicalJSON(spec ?? {}) === canonicalJSON(DENY_TUNNEL);
}

/** The entrances of observed NetworkPolicies, also of transition policies that carry them while a plan is carried out. */
export function entrancesOf(policies: readonly NetworkPolicy[], port: number): OwnEntrance[] {
  const own = policies.filter((each) => isTunnel(each) || isTransition(each));
  return own.flatMap(({ metadata, spec }) => {
    const { matchLabels, matchExpressions = [] } = spec.podSelector ?? {};
    const rest = matchExpressions.filter(({ key }) => !ENROLLED_KEYS.has(key));
    const pods = canonicalSelector({ ...(matchLabels && { matchLabels }), matchExpressions: rest });
    const rules = (spec.ingress ?? []).filter(
      ({ ports = [] }) => ports.length === 1 && ports[0]?.port === port,
    );
    const profile = metadata.labels?.[LABEL_PROFILE] ?? '';
    return rules
      .flatMap(({ from = [] }) => from.filter(({ ipBlock }) => ipBlock === undefined))
      .map(({ namespaceSelector = withName(metadata.namespace ?? ''), podSelector = {} }) => ({
        pods,
        source: { namespaces: namespaceSelector, pods: podSelector },
        profile,
        exception: metadata.labels?.[LABEL_EXCEPTION],
      }));
  });
}

/** The permits of observed AuthorizationPolicies, apart from covers. Somebody may have made another form of the kind of one. */
export function permitsOf(objects: readonly KubeObject[]): OwnPermit[] {
  const own = objects.filter((each) => !isOverlayCover(each));
  return (own as readonly (KubeObject & { readonly spec?: unknown })[]).flatMap(({ metadata, spec }) => {
    const { selector, rules } = recordOf(spec);
    const { matchLabels } = recordOf(selector);
    const pods = matchLabels === undefined ? {} : selectorOf({ matchLabels });
    const profile = metadata.labels?.[LABEL_PROFILE] ?? '';
    return listOf(rules)
      .map(recordOf)
      .flatMap(({ from, to }) => {
        const ports = portsOf(listOf(to));
        const sources = listOf(from).map((each) => recordOf(recordOf(each)['source']));
        const identities: Identity[] =
          sources.length === 0 ? [{ namespaces: 'any' }] : sources.flatMap(identitiesOf);
        return identities.map((identity) => ({ pods, identity, ports, profile }));
      });
  });
}

/** An operation without ports is every port. */
function portsOf(operations: readonly unknown[]): Ports {
  const ports = operations.map((each) => textsOf(recordOf(recordOf(each)['operation'])['ports']));
  return ports.length === 0 || ports.some((each) => each.length === 0)
    ? 'every'
    : new Set(ports.flat().map(Number));
}

/** Addresses could be those of any pod. */
function identitiesOf(source: Raw): Identity[] {
  if ('notPrincipals' in source) return [];
  const namespaces = textsOf(source['namespaces']);
  if (namespaces.length > 0) return [{ namespaces }];
  const principals = textsOf(source['principals']);
  if (principals.length === 0) return [{ namespaces: 'any' }];
  return principals.map((principal): Identity => {
    const [, , name, , account] = principal.split('/');
    return name === undefined || account === undefined
      ? { namespaces: 'any' }
      : { namespaces: [name], account };
  });
}

/** By their pods, sorted. */
function groups<T extends { readonly profile: string; readonly pods: LabelSelector }>(
  profile: string,
  parts: readonly T[],
): (readonly [LabelSelector, readonly T[]])[] {
  const own = parts.filter((each) => each.profile === profile);
  return [...Map.groupBy(own, ({ pods }) => selectorKey(pods))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => [canonicalSelector(group[0]?.pods ?? {}), group] as const);
}

function named(profile: string, pods: LabelSelector, metadata: ProfileMetadata): ObjectMeta {
  const key = selectorKey(pods);
  const rule = key === '{}' ? TUNNEL_RULE : `${TUNNEL_RULE}.${endLabel(key)}`;
  const { namespace, ownerReferences } = metadata;
  return {
    name: policyName(profile, 'ingress', rule),
    ...(namespace !== undefined && { namespace }),
    labels: {
      [LABEL_MANAGED_BY]: MANAGER,
      [LABEL_PROFILE]: profile,
      [LABEL_ROLE]: 'ingress',
      [LABEL_RULE]: rule,
    },
    ...(ownerReferences && { ownerReferences }),
  };
}

function ownMetadata({ profile, exception, metadata }: EntranceOwner, pods: LabelSelector): ObjectMeta {
  if (exception === undefined) return named(profile, pods, metadata);
  const { name, labels, ...rest } = named(EXCEPTION_STAND_IN, pods, metadata);
  const own = { [LABEL_PROFILE]: profile, [LABEL_ROLE]: 'exception', [LABEL_EXCEPTION]: exception };
  return { ...rest, name: exceptionPolicyName(profile, exception, name), labels: { ...labels, ...own } };
}

function peerOf({ namespaces, pods }: OwnEntrance['source']): NetworkPolicyPeer {
  const podSelector = canonicalSelector(pods);
  return {
    namespaceSelector: canonicalSelector(namespaces),
    ...(selectorKey(podSelector) !== '{}' && { podSelector }),
  };
}

/** The rules of a policy: permits with equal ports share a rule. */
function rulesFor(permits: readonly OwnPermit[], trustDomain: string | undefined): AuthorizationRule[] {
  const portsKey = ({ ports }: OwnPermit) =>
    ports === 'every' ? '' : [...ports].sort((a, b) => a - b).join(',');
  return [...Map.groupBy(permits, portsKey)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, group]): AuthorizationRule[] => {
      const sources = sourcesFor(
        group.map(({ identity }) => identity),
        trustDomain,
      );
      const [first, ...more] = sources.map((source) => ({ source }));
      // Without a source the rule would allow everyone.
      if (first === undefined) return [];
      const [port, ...ports] = key === '' ? [] : key.split(',');
      return [
        {
          from: [first, ...more],
          ...(port !== undefined && { to: [{ operation: { ports: [port, ...ports] } }] }),
        },
      ];
    });
}

function sourcesFor(identities: readonly Identity[], trustDomain: string | undefined): AuthorizationSource[] {
  const principals = new Set<string>();
  const whole = new Set<string>();
  for (const { namespaces, account } of identities)
    if (namespaces === 'any') return [{ principals: ['*'] }];
    else
      for (const name of namespaces)
        if (account === undefined) whole.add(name);
        else principals.add(`${trustDomain}/ns/${name}/sa/${account}`);
  const [namespace, ...namespaces] = [...whole].sort();
  const [principal, ...others] = [...principals].sort();
  return [
    ...(namespace === undefined ? [] : [{ namespaces: [namespace, ...namespaces] as const }]),
    ...(principal === undefined ? [] : [{ principals: [principal, ...others] as const }]),
  ];
}
