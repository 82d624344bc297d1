/** The service mesh of the cluster, as far as NetworkPolicies depend on it. Here it is mesh-neutral. Pure. */
import type { LabelSelector, StringMap } from '../api/meta.ts';
import type { ProfileSpec } from '../api/profile.ts';
import { matches } from './semantics/selector.ts';

/** A control plane that injects sidecars into pods of some namespaces. */
export interface MeshControlPlane {
  /** Pods get a sidecar if one of the entries matches their namespace and themselves. */
  readonly injects: readonly InjectedPods[];
  /** The Service that the sidecars connect to, and its port. */
  readonly service: { readonly namespace: string; readonly name: string };
  readonly port: number;
  /** The ports on which sidecars serve metrics. */
  readonly metricsPorts: readonly number[];
  /** The first part of the identities that the mesh gives to its pods. */
  readonly trustDomain: string;
  /** The namespace whose policies are for the pods of all namespaces. */
  readonly rootNamespace: string;
}

export interface InjectedPods {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

/** Namespaces whose pods are in the mesh without sidecars: their connections are carried by one port. */
export interface AmbientMesh {
  readonly namespaceSelector: LabelSelector;
  readonly port: number;
  /** The addresses from which probes of the kubelet come, in CIDR notation. */
  readonly probeCIDRs: readonly [string, ...string[]];
}

export type MeshFacts =
  /** The configuration names no mesh. */
  | { readonly kind: 'none'; readonly message: string }
  /** The configuration of the mesh was never read completely. `message` says why. Ambient mode is the same in each configuration. */
  | { readonly kind: 'missing'; readonly message: string; readonly ambient: AmbientMesh }
  | {
      readonly kind: 'available';
      readonly controlPlanes: readonly [MeshControlPlane, ...MeshControlPlane[]];
      readonly ambient: AmbientMesh;
    };

export type MeshConfiguration = Extract<MeshFacts, { kind: 'available' }>;

export const NO_MESH = {
  kind: 'none',
  message: "the operator's configuration names no service mesh: set mesh there",
} as const satisfies MeshFacts;

/** The control planes that inject sidecars into pods of a namespace with these labels. */
export function controlPlanesOf({ controlPlanes }: MeshConfiguration, labels: StringMap): MeshControlPlane[] {
  return controlPlanes.filter(({ injects }) =>
    injects.some(({ namespaceSelector }) => matches(namespaceSelector, labels)),
  );
}

/** True if every pod of a namespace with these labels gets a sidecar, unless it refuses. */
export function injectsAll(mesh: MeshConfiguration, labels: StringMap): boolean {
  return mesh.controlPlanes.some(({ injects }) =>
    injects.some(
      ({ namespaceSelector, podSelector }) => matches(namespaceSelector, labels) && matches(podSelector, {}),
    ),
  );
}

/** The first part of all identities; undefined if control planes give several. */
export function trustDomainOf({ controlPlanes }: MeshConfiguration): string | undefined {
  const domains = new Set(controlPlanes.map(({ trustDomain }) => trustDomain));
  return domains.size === 1 ? controlPlanes[0].trustDomain : undefined;
}

export function isAmbient({ ambient }: { readonly ambient: AmbientMesh }, labels: StringMap): boolean {
  return matches(ambient.namespaceSelector, labels);
}

/**
 * How the pods of a namespace get into the mesh. `outside`: not all pods get into the mesh. `root`: the policies of the
 * namespace hold for the whole mesh, so that an overlay there would deny connections in other namespaces. Nothing is written in
 * either.
 */
export type MeshMode = 'sidecars' | 'ambient' | 'outside' | 'root';

export function modeOf(
  facts: MeshConfiguration,
  { name, labels }: { readonly name: string; readonly labels: StringMap },
): MeshMode {
  if (facts.controlPlanes.some(({ rootNamespace }) => rootNamespace === name)) return 'root';
  if (isAmbient(facts, labels)) return 'ambient';
  return injectsAll(facts, labels) ? 'sidecars' : 'outside';
}

/** True if an overlay is written in a namespace of this mode. */
export function hasOverlay(mode: MeshMode): boolean {
  return mode === 'sidecars' || mode === 'ambient';
}

/** True if a profile with this `spec.mesh` asks for an overlay of identities. */
export function asksForOverlay(mesh: ProfileSpec['mesh']): boolean {
  return mesh !== undefined && (mesh.authorization !== 'Disabled' || mesh.mtls !== 'Disabled');
}

/** True if a profile with this spec asks for the tunnel of a mesh without sidecars to be opened. */
export function asksForTunnels({ baseline, mesh }: Pick<ProfileSpec, 'baseline' | 'mesh'>): boolean {
  return baseline.mesh === 'Allow' && mesh?.authorization === 'Enforce';
}
