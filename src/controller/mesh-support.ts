/** The service mesh, as the reconcile of a namespace sees it. The core knows only this interface; a capability may implement it. */
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { NamespaceItem } from '../cluster-state/items.ts';
import { asksForTunnels, type MeshFacts, NO_MESH } from '../policy/mesh.ts';
import { keptTunnels, type MeshTunnels, NO_TUNNELS, type TunnelIntents } from '../policy/tunnels.ts';
import type { ExtensionWriteContext } from './engine-support.ts';

export interface MeshSupport {
  /** Undefined as long as nothing is known. */
  facts(): MeshFacts | undefined;
  /** Why nothing is known, if finding out has failed. */
  readonly failure: string | undefined;
  subscribe(listener: MeshListener): void;
  /**
   * The policies that open the tunnel of a mesh without sidecars in a namespace.
   *
   * @param observe all NetworkPolicies of the namespace, with the labels of their owners; undefined if they have to be read first
   */
  tunnels(
    namespace: NamespaceItem,
    intents: TunnelIntents,
    observe: () => readonly NetworkPolicy[] | undefined,
  ): MeshTunnels;
  /**
   * The writes that lead to the overlay of identities in a namespace, by the cached objects.
   *
   * @param desired called only where the configuration names a mesh
   */
  plan(namespace: NamespaceItem, desired: () => DesiredOverlay): OverlayWrites;
}

/** The writes of the overlay of a namespace. */
export interface OverlayWrites {
  readonly isEmpty: boolean;
  /** Precedes the plan of the NetworkPolicies: what a tunnel has to permit before they open it. @throws ApiError */
  permit(context: ExtensionWriteContext): Promise<void>;
  /**
   * Follows the plan of the NetworkPolicies: an overlay restricts what these allow, and is made from all that they are to allow.
   * Loosened before, it would let in what somebody has opened by hand and the plan closes (I1).
   *
   * @throws ApiError
   */
  apply(context: ExtensionWriteContext, how: HowToApply): Promise<void>;
}

export interface HowToApply {
  /** True if the opening of ingress is delayed: until then, nothing that passes is restricted. */
  readonly onlyWidens: boolean;
}

export const NO_OVERLAY: OverlayWrites = {
  isEmpty: true,
  permit: () => Promise.resolve(),
  apply: () => Promise.resolve(),
};

export interface MeshListener {
  /** The facts have changed. */
  readonly onFacts: () => void;
  /** The objects of the overlay in the namespace may differ from the desired ones, as if somebody else changed them. */
  readonly onDrift: (namespace: string) => void;
}

export interface DesiredOverlay {
  /** The desired policies of the namespace that isolate ingress, with the observed ones that stay as they are. */
  readonly policies: readonly NetworkPolicy[];
  /** The profiles that are enforced there, and ask for an overlay. */
  readonly profiles: readonly SegmentationProfile[];
  /** Profiles whose observed objects stay as they are, as long as there is an overlay. */
  readonly kept: ReadonlySet<string>;
  /** The profiles among `kept` whose exceptions begin and end all the same. */
  readonly excepting: ReadonlySet<string>;
}

/** Where the configuration names no mesh. */
export const NO_MESH_SUPPORT: MeshSupport = {
  facts: () => NO_MESH,
  failure: undefined,
  subscribe: () => {},
  tunnels: (_, { enforced }, observe) => {
    const asking = enforced.filter(({ profile }) => asksForTunnels(profile.spec));
    if (asking.length === 0) return NO_TUNNELS;
    const kept = keptTunnels(asking, observe() ?? [], NO_MESH.message);
    return new Map([...kept].filter(([, { policies }]) => policies.length > 0));
  },
  plan: () => NO_OVERLAY,
};
