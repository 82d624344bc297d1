/** How the overlay of each namespace stands, and the report for each profile that asks for one. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { MutualTLSPlan } from '../../engines/istio/mutual-tls.ts';
import type { OverlayPlan } from '../../engines/istio/overlay.ts';
import { counted, shortList } from '../../util/list-text.ts';
import { byKey } from '../../util/order.ts';
import { hasOverlay, type MeshMode } from '../../policy/mesh.ts';
import type { OwnedObjects } from './without-mesh.ts';

export interface NamespaceOverlay {
  readonly mode: MeshMode;
  /** True if the overlay is that of a tunnel, without which ambient mode has no authorization. */
  readonly hasTunnel: boolean;
  /** True if sidecars are injected into every pod, although the namespace is in ambient mode. */
  readonly injectsToo: boolean;
  /** The profiles that ask for authorization, and whose rules there can't be enforced yet: they have no AuthorizationPolicy. */
  readonly waiting: readonly string[];
  /** The rules with peers that have no identity, if mutual TLS is asked for. */
  readonly outOfMesh: readonly string[];
  readonly tls: MutualTLSPlan['state'];
}

export interface OverlayVerdict {
  readonly status: 'True' | 'False';
  /** `Waiting`: PeersResolved or the failures of the namespaces say for what. */
  readonly reason: 'Enforced' | 'Audited' | 'PeersOutOfMesh' | 'Conflict' | 'AmbientMode' | 'Waiting';
  readonly message: string;
}

/**
 * The profiles that ask for AuthorizationPolicies, and have none of a namespace: none is observed, and none is to be created.
 *
 * @param profiles those that are enforced in the namespace
 */
export function unwrittenProfiles(
  profiles: readonly SegmentationProfile[],
  { objects, ownerOf }: OwnedObjects,
  { widen, narrow }: OverlayPlan,
): string[] {
  const created = [...widen, ...narrow].flatMap((step) => (step.verb === 'create' ? step.object : []));
  const owners = new Set([...objects, ...created].map(ownerOf));
  return profiles
    .filter(
      ({ spec }) =>
        spec.isolation.includes('Ingress') && (spec.mesh?.authorization ?? 'Disabled') !== 'Disabled',
    )
    .map(({ metadata }) => metadata.name)
    .filter((name) => !owners.has(name));
}

export class OverlayReports {
  readonly #onReport: (profile: string) => void;
  /** By profile and namespace. */
  readonly #profiles = new Map<string, Map<string, NamespaceOverlay>>();

  constructor(onReport: (profile: string) => void) {
    this.#onReport = onReport;
  }

  record(namespace: string, profiles: readonly SegmentationProfile[], overlay: NamespaceOverlay): void {
    const names = new Set(profiles.map(({ metadata }) => metadata.name));
    for (const [name, namespaces] of this.#profiles)
      if (!names.has(name) && namespaces.delete(namespace)) this.#onReport(name);
    for (const name of names) {
      const namespaces = this.#profiles.get(name) ?? new Map<string, NamespaceOverlay>();
      this.#profiles.set(name, namespaces);
      if (JSON.stringify(namespaces.get(namespace)) === JSON.stringify(overlay)) continue;
      namespaces.set(namespace, overlay);
      this.#onReport(name);
    }
  }

  forget(namespace: string): void {
    for (const [name, namespaces] of this.#profiles) if (namespaces.delete(namespace)) this.#onReport(name);
  }

  of({ metadata, spec }: SegmentationProfile): OverlayVerdict {
    const found = [...(this.#profiles.get(metadata.name) ?? [])].sort(byKey);
    const named = (test: (overlay: NamespaceOverlay) => boolean) =>
      found.filter(([, overlay]) => test(overlay)).map(([name]) => name);
    const taken = named(({ tls }) => tls === 'taken');
    const cut = found.filter(([, { mode, outOfMesh }]) => hasOverlay(mode) && outOfMesh.length > 0);
    const { authorization = 'Disabled', mtls = 'Disabled' } = spec.mesh ?? {};
    const outside = named(({ mode }) => mode === 'outside');
    const lacking = named(
      ({ mode, hasTunnel }) => authorization !== 'Disabled' && mode === 'ambient' && !hasTunnel,
    );
    const modes = [
      ...(authorization === 'Disabled' ? [] : [`authorization: ${authorization}`]),
      ...(mtls === 'Disabled' ? [] : [`mtls: ${mtls}`]),
    ];
    const roots = named(({ mode }) => mode === 'root');
    const waiting = named(({ mode, waiting: names }) => hasOverlay(mode) && names.includes(metadata.name));
    const note = noteOf({ outside, roots, injecting: named(({ injectsToo }) => injectsToo) });
    if (taken.length > 0) {
      const message = `somebody else's PeerAuthentication decides in ${shortList(taken)}: delete it${note}`;
      return { status: 'False', reason: 'Conflict', message };
    }
    if (cut.length > 0) {
      const rules = cut.map(([name, { outOfMesh }]) => `${name}: ${shortList(outOfMesh, { most: 5 })}`);
      const message =
        `mtls: Strict would cut, or cuts, peers that are not in the mesh, or not told by namespace or service account. ` +
        `The rules are, of ${shortList(rules)}${note}`;
      return { status: 'False', reason: 'PeersOutOfMesh', message };
    }
    if (lacking.length > 0) {
      const where = `in ambient mode, in ${counted(lacking.length, 'namespace')}: ${shortList(lacking)}`;
      const message =
        authorization === 'Audit'
          ? `authorization: Audit has no effect ${where}. Istio before 1.29 enforces dry runs there: write Enforce, or Disabled`
          : `authorization: Enforce needs baseline.mesh: Allow ${where}`;
      return { status: 'False', reason: 'AmbientMode', message: `${message}${note}` };
    }
    const count = found.length - outside.length - roots.length - waiting.length;
    const message = `${modes.join(' and ')} in ${counted(count, 'namespace')}${note}`;
    if (waiting.length > 0) {
      const text =
        `not in ${shortList(waiting)} yet, where no AuthorizationPolicy is written before the rules can be enforced; see ` +
        'PeersResolved and .status.failures';
      return { status: 'False', reason: 'Waiting', message: `${message}; ${text}` };
    }
    return { status: 'True', reason: authorization === 'Audit' ? 'Audited' : 'Enforced', message };
  }
}

interface Noted {
  readonly outside: readonly string[];
  readonly roots: readonly string[];
  readonly injecting: readonly string[];
}

/** The namespaces in which nothing is written, or not all is supported, and why. */
function noteOf({ outside, roots, injecting }: Noted): string {
  const notes = [
    outside.length > 0 &&
      `${counted(outside.length, 'namespace')} out of the mesh, as they are not in ambient mode, nor are sidecars injected into ` +
        `every pod: ${shortList(outside)}`,
    roots.length > 0 &&
      `none in ${shortList(roots)}, as policies of the root namespace of istiod hold for the whole mesh`,
    injecting.length > 0 &&
      `sidecars are injected in ambient mode too, where their pods are not supported: label these namespaces for one of both: ` +
        shortList(injecting),
  ].filter((each) => each !== false);
  return notes.map((each) => `; ${each}`).join('');
}
