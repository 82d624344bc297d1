/**
 * Extensions: allowances that NetworkPolicy can't express, and that a network engine carries in policies of its own beside the
 * NetworkPolicies. Here they are engine-neutral. They only add: an extension isolates no pod, and it stands only beside the
 * default-deny of its profile. Pure.
 */
import type { LabelSelector, ObjectMeta, StringMap } from '../api/meta.ts';
import { ANNOTATION_RULES } from '../api/names.ts';
import type { NetworkPolicy, NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import { formatNotes, type RuleNote } from './notes.ts';

/** A peer that NetworkPolicy can't match, or that an engine does not match by address. */
export type ExtensionPeer =
  | { readonly kind: 'kubeAPIServer' }
  | { readonly kind: 'nodes' }
  /** The ingress and gateways that the engine runs itself, outside of pods. */
  | { readonly kind: 'engineIngress' }
  /** The pods that run as the account, in its namespace and only if that has the labels. */
  | {
      readonly kind: 'serviceAccount';
      readonly namespace: string;
      readonly name: string;
      readonly namespaceLabels?: StringMap;
    }
  /** `dns`: the DNS servers that the pods ask for the names. */
  | { readonly kind: 'names'; readonly names: readonly string[]; readonly dns: DNSServers };

/**
 * A kind of peer, or what an engine can say of names beyond single labels and single ports: `deepNames` are wildcards for any
 * number of labels, and `namePorts` ranges and names of ports, and SCTP.
 */
export type ExtensionKind = ExtensionPeer['kind'] | 'deepNames' | 'namePorts';

/** Pods of one namespace, by labels, and the ports on which they answer. */
export interface DNSServers {
  readonly namespace: string;
  readonly podSelector: LabelSelector;
  readonly ports: readonly NetworkPolicyPort[];
}

/** An extension peer; `ports` are those that it implies. */
export interface ExtensionGrant {
  readonly peer: ExtensionPeer;
  readonly ports?: readonly NetworkPolicyPort[];
}

/** Absent ports: every port. */
export interface ExtensionRule {
  readonly peer: ExtensionPeer;
  readonly ports?: readonly NetworkPolicyPort[];
  /** For which rule and peer of the profile it is. */
  readonly note: RuleNote;
}

/**
 * The extensions for the pods of one policy of a profile, in one direction. The name depends on the podSelector, so that an
 * object never changes the pods that it is for.
 */
export interface ExtensionPolicy {
  /** Name, namespace, labels and ownerReferences. */
  readonly metadata: ObjectMeta;
  readonly podSelector: LabelSelector;
  readonly direction: PolicyType;
  readonly rules: readonly ExtensionRule[];
  /** Rules and peers that are unresolved now, whose last known extensions stay. */
  readonly unresolved: readonly RuleNote[];
}

/** Why an engine's policies can't be written. */
export type MissingReason = 'NotInstalled' | 'Unsupported' | 'SchemaTooOld';

export type EngineFacts =
  /** No engine is in force whose policies the operator writes. `message` says why. */
  | { readonly kind: 'none'; readonly message: string }
  | { readonly kind: 'available'; readonly carries: ReadonlySet<ExtensionKind> }
  /** The engine needs its own policies for these peers, and they can't be written. */
  | {
      readonly kind: 'missing';
      readonly carries: ReadonlySet<ExtensionKind>;
      readonly reason: MissingReason;
      readonly message: string;
    };

export const NO_ENGINE: EngineFacts = {
  kind: 'none',
  message: "the operator's configuration names no network engine: set engine there",
};

/**
 * A NetworkPolicy that allows at least what an extension for ingress does: its ports, from everyone. It is never written:
 * overlays of identities are made from it.
 */
export function asNetworkPolicy({
  metadata,
  podSelector,
  rules,
  unresolved,
}: ExtensionPolicy): NetworkPolicy {
  const ingress = rules.map(({ ports }) => (ports === undefined ? {} : { ports }));
  const isComplete = unresolved.length === 0;
  const notes = isComplete ? rules.map(({ note }) => note) : unresolved.slice(0, 1);
  // A rule may be called extension, and `any` is no label of an end.
  const name = `${metadata.name}.extension.any`;
  return {
    metadata: {
      ...metadata,
      name,
      annotations: { ...metadata.annotations, [ANNOTATION_RULES]: formatNotes(notes) },
    },
    spec: { podSelector, policyTypes: ['Ingress'], ingress: isComplete ? ingress : [{}] },
  };
}
