/**
 * The policies that open the port by which a mesh without sidecars carries all connections. They depend on the mesh and on all
 * policies of the namespace, so that the compiler of a profile makes none of them. Pure.
 */
import { ANNOTATION_RULES, LABEL_PROFILE, LABEL_ROLE, LABEL_RULE } from '../api/names.ts';
import type { KubeObject } from '../api/meta.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { Compiled } from './compile.ts';
import { exceptionNameOf } from './ownership.ts';
import type { UnresolvedPeer } from './rules.ts';
import { intersection, selectorKey } from './semantics/selector.ts';
import { ENROLLED, TUNNEL_RULE } from './tunnel-rule.ts';

/** A profile that is enforced in the namespace. */
export interface TunnelIntent {
  readonly profile: SegmentationProfile;
  readonly compiled: Compiled;
}

/** The profiles by which the tunnels of a namespace change. */
export interface TunnelIntents {
  readonly enforced: readonly TunnelIntent[];
  /** The names of the profiles whose policies stay as they are. */
  readonly held: readonly string[];
}

/** The tunnels of one profile in a namespace. */
export interface ProfileTunnels {
  /** A policy for an exception has the exception's label, and ends with it. */
  readonly policies: readonly NetworkPolicy[];
  readonly unresolved: readonly UnresolvedPeer[];
  /** The peers of exceptions that are unresolved, by the name of the exception. They never hold back what the profile isolates. */
  readonly exceptions: ReadonlyMap<string, readonly UnresolvedPeer[]>;
}

/** Tunnels by profile, desired beside the compiled policies. */
export type MeshTunnels = ReadonlyMap<string, ProfileTunnels>;

export const NO_TUNNELS: MeshTunnels = new Map();

/** A name that is too long has a digest in place of a part of it. */
const TUNNEL_NAME = /\.baseline\.mesh\.tunnel(\.[0-9a-f]{10})?$/;

/**
 * True also where somebody has removed the labels, which closes nothing: its name, its notes or the pods that it selects tell it
 * then.
 */
export function isTunnel({ metadata, spec }: KubeObject & { readonly spec?: unknown }): boolean {
  const { name, labels = {}, annotations = {} } = metadata;
  const { [LABEL_RULE]: rule, [LABEL_ROLE]: role } = labels;
  if (rule === TUNNEL_RULE || rule?.startsWith(`${TUNNEL_RULE}.`) || TUNNEL_NAME.test(name)) return true;
  // Transition policies have the notes, or select the pods, of all policies that they stand for.
  if (rule !== undefined || role === 'transition') return false;
  return (
    annotations[ANNOTATION_RULES]?.includes(`"rule":"${TUNNEL_RULE}"`) === true ||
    selectsEnrolled(spec as Partial<NetworkPolicySpec> | undefined)
  );
}

/** True if all selected pods are enrolled. No other policy without the label of a rule selects so. */
function selectsEnrolled({ podSelector = {} }: Partial<NetworkPolicySpec> = {}): boolean {
  return selectorKey(intersection(podSelector, ENROLLED)) === selectorKey(podSelector);
}

/**
 * The observed tunnels of exceptions that have other policies among the desired ones: they are in force.
 *
 * @param observed with the labels of their owners
 */
export function exceptionTunnels(
  observed: readonly NetworkPolicy[],
  desired: readonly NetworkPolicy[],
): NetworkPolicy[] {
  const inForce = new Set(desired.map(({ metadata }) => exceptionNameOf(metadata)));
  return observed.filter((each) => {
    const exception = exceptionNameOf(each.metadata);
    return isTunnel(each) && exception !== undefined && inForce.has(exception);
  });
}

/**
 * The observed tunnels of these profiles, which stay while the mesh is not known.
 *
 * @param observed the policies of the namespace, with the labels of their owners
 */
export function keptTunnels(
  intents: readonly TunnelIntent[],
  observed: readonly NetworkPolicy[],
  message: string,
): MeshTunnels {
  return new Map(
    intents.map(({ profile: { metadata }, compiled }) => {
      const own = observed.filter((each) => each.metadata.labels?.[LABEL_PROFILE] === metadata.name);
      const policies = [
        ...own.filter((each) => isTunnel(each) && exceptionNameOf(each.metadata) === undefined),
        ...exceptionTunnels(own, compiled.policies),
      ];
      const unresolved: UnresolvedPeer = {
        direction: 'Ingress',
        rule: TUNNEL_RULE,
        peer: 'pods of the mesh',
        reason: 'SourceUnavailable',
        message,
        hasLastKnown: policies.length > 0,
      };
      return [metadata.name, { policies, unresolved: [unresolved], exceptions: new Map() }];
    }),
  );
}
