/** How the overlay of each namespace stands, and the report for each profile that asks for one. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { MutualTLSPlan } from '../../engines/istio/mutual-tls.ts';
import { counted, shortList } from '../../util/list-text.ts';
import { byKey } from '../../util/order.ts';
import { hasOverlay, type MeshMode } from '../../policy/mesh.ts';

export interface NamespaceOverlay {
  readonly mode: MeshMode;
  /** True if the overlay is that of a tunnel, without which ambient mode has no authorization. */
  readonly hasTunnel: boolean;
  /** The rules with peers that have no identity, if mutual TLS is asked for. */
  readonly outOfMesh: readonly string[];
  readonly tls: MutualTLSPlan['state'];
}

export interface OverlayVerdict {
  readonly status: 'True' | 'False';
  readonly reason: 'Enforced' | 'Audited' | 'PeersOutOfMesh' | 'Conflict' | 'AmbientMode';
  readonly message: string;
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

  /** Every report may have changed. */
  changed(): void {
    for (const name of this.#profiles.keys()) this.#onReport(name);
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
    const note = noteOf(outside, roots);
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
      const what =
        authorization === 'Audit'
          ? 'has no effect in ambient mode, as Istio before 1.29 enforces dry runs there'
          : 'needs baseline.mesh: Allow in ambient mode';
      const message = `authorization: ${authorization} ${what}: ${counted(lacking.length, 'namespace')}: ${shortList(lacking)}${note}`;
      return { status: 'False', reason: 'AmbientMode', message };
    }
    const message = `${modes.join(' and ')} in ${counted(found.length - outside.length - roots.length, 'namespace')}${note}`;
    return { status: 'True', reason: authorization === 'Audit' ? 'Audited' : 'Enforced', message };
  }
}

/** The namespaces in which nothing is written, and why. */
function noteOf(outside: readonly string[], roots: readonly string[]): string {
  const notes = [
    outside.length > 0 &&
      `${counted(outside.length, 'namespace')} out of the mesh, as sidecars are not injected into every pod: ${shortList(outside)}`,
    roots.length > 0 &&
      `none in ${shortList(roots)}, as policies of the root namespace of istiod hold for the whole mesh`,
  ].filter((each) => each !== false);
  return notes.map((each) => `; ${each}`).join('');
}
