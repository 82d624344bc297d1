/**
 * The service mesh of the cluster: its traces and its configuration are read at the start and on a schedule. Profiles with
 * `baseline.mesh: Allow` or an overlay get the condition MeshReady. Without an overlay it is for information: peers that can't
 * be resolved without the mesh are reported by PeersResolved.
 */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { detectIstio, type MeshVerdict } from '../../engines/istio/detect.ts';
import { AMBIENT } from '../../engines/istio/mesh-config.ts';
import { isAborted } from '../../kube/errors.ts';
import { asksForOverlay, asksForTunnels, type MeshFacts, modeOf } from '../../policy/mesh.ts';
import type { MeshTunnels } from '../../policy/tunnels.ts';
import type { Timer } from '../../util/clock.ts';
import { shortList } from '../../util/list-text.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import type { DesiredOverlay, MeshListener, MeshSupport, OverlayWrites } from '../mesh-support.ts';
import { rulesBesideTunnel } from './closed-tunnel.ts';
import { MeshOverlay, type MeshOverlayOptions } from './overlay.ts';
import { readMeshEvidence } from './read-evidence.ts';

export interface MeshDetectionOptions extends Omit<MeshOverlayOptions, 'facts'> {
  /** Called when the verdict changes. */
  readonly onVerdict: (verdict: MeshVerdict) => void;
}

type OverlayCondition = Omit<CapabilityReport['condition'], 'type'>;

/** The mesh is looked at again after this time, in milliseconds. */
const INTERVAL_MS = 60_000;
/** The interval while the evidence is unclear. */
const UNCLEAR_INTERVAL_MS = 10_000;

export class MeshDetection implements Capability, MeshSupport {
  readonly mesh: MeshSupport = this;
  readonly failure = undefined;
  readonly #options: MeshDetectionOptions;
  readonly #overlay: MeshOverlay;
  readonly #listeners: MeshListener[] = [];
  readonly #stopping = new AbortController();
  #verdict: MeshVerdict | undefined;
  #facts: MeshFacts | undefined;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #restoring: Promise<void> | undefined;
  #onReport: (profile: string) => void = () => {};
  #onIntent: (namespace: string) => void = () => {};

  constructor(options: MeshDetectionOptions) {
    this.#options = options;
    this.#overlay = new MeshOverlay(
      { ...options, facts: () => this.#facts },
      {
        onIntent: (namespace) => this.#onIntent(namespace),
        onDrift: (namespace) => this.#listeners.forEach((each) => each.onDrift(namespace)),
        onReport: (profile) => this.#onReport(profile),
      },
    );
  }

  lead(onReport: (profile: string) => void, onIntent: (namespace: string) => void): void {
    this.#onReport = onReport;
    this.#onIntent = onIntent;
    this.#restoring = this.#restore();
    this.#lookAfter(0);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.cancel();
    await Promise.all([this.#looking, this.#restoring, this.#overlay.stop()]);
  }

  plan(namespace: NamespaceItem, desired: () => DesiredOverlay): OverlayWrites {
    return this.#overlay.plan(namespace, desired);
  }

  tunnels(...parameters: Parameters<MeshSupport['tunnels']>): MeshTunnels {
    return this.#overlay.tunnels(...parameters);
  }

  /** Each time the same object, until the facts change. */
  facts(): MeshFacts | undefined {
    return this.#facts;
  }

  subscribe(listener: MeshListener): void {
    this.#listeners.push(listener);
  }

  isJudged(profile: SegmentationProfile): boolean {
    if (!dependsOnMesh(profile)) return true;
    if (this.#verdict === undefined) return false;
    return !asksForOverlay(profile.spec.mesh) || this.#overlay.isKnown || !this.#isAsked(profile);
  }

  /**
   * False for a profile that has an overlay in no namespace, as under Audit, or while a rollout has a revision in force that asks
   * for none: nobody may ever read the objects.
   */
  #isAsked({ metadata: { name } }: SegmentationProfile): boolean {
    const { clusterState } = this.#options;
    return [...clusterState.namespaces.values()].some((namespace) => this.#overlay.isAsked(name, namespace));
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    if (this.#verdict === undefined) return undefined;
    if (!asksForOverlay(profile.spec.mesh)) {
      const found = this.#closedTunnels(profile) ?? (dependsOnMesh(profile) ? this.#verdict : undefined);
      return found && { condition: { type: 'MeshReady', ...found }, isInformation: true, isStalled: false };
    }
    const { status, reason, message } = this.#overlayReport(profile, this.#verdict);
    const isStalled = status === 'False' && reason !== 'Waiting';
    return { condition: { type: 'MeshReady', status, reason, message }, isStalled };
  }

  /** A mesh that is not there comes first: what else is to be done, as for peers out of the mesh, may be in vain without it. */
  #overlayReport(profile: SegmentationProfile, verdict: MeshVerdict): OverlayCondition {
    const missing = this.#missingFor(profile);
    if (missing === undefined && this.#facts?.kind !== 'available') return { ...verdict, status: 'False' };
    const { status, reason, message } =
      missing === undefined
        ? this.#overlay.reports.of(profile)
        : {
            status: 'False' as const,
            reason: missing.reason,
            message: missing.message + this.#unheld(profile),
          };
    return verdict.status === 'False'
      ? { ...verdict, message: `${verdict.message} (${message})` }
      : { status, reason, message: `${message} (${verdict.message})` };
  }

  /** Why kinds can't be written that the profile needs. One that has an overlay in no namespace may need them later. */
  #missingFor(profile: SegmentationProfile): MeshOverlay['missing'] {
    const { missing } = this.#overlay;
    if (missing === undefined) return undefined;
    const isNeeded = this.#isAsked(profile) || this.#overlay.unheldTunnels(profile.metadata.name).length > 0;
    return isNeeded ? missing : undefined;
  }

  /** For a profile that asks for no tunnel: what it cuts by that. */
  #closedTunnels(profile: SegmentationProfile): OverlayCondition | undefined {
    const facts = this.#facts;
    if (facts?.kind !== 'available' || asksForTunnels(profile.spec)) return undefined;
    const { port } = facts.ambient;
    const rules = rulesBesideTunnel(profile.spec, port);
    if (rules.length === 0) return undefined;
    const { clusterState } = this.#options;
    const names = [...clusterState.namespaces.values()]
      .filter(
        (each) =>
          modeOf(facts, { name: each.key, labels: each.labels }) === 'ambient' &&
          clusterState.inForce(profile, each).relation === 'enforce',
      )
      .map(({ key }) => key);
    if (names.length === 0) return undefined;
    const message =
      `connections between pods in ambient mode come on port ${port}, which rules with ports do not open: ` +
      `${shortList(rules)} allow none of them in ${shortList(names.sort())}. Write baseline.mesh: Allow and ` +
      'mesh.authorization: Enforce, or these rules without ports';
    return { status: 'False', reason: 'AmbientMode', message };
  }

  #unheld({ metadata }: SegmentationProfile): string {
    const open = this.#overlay.unheldTunnels(metadata.name);
    if (open.length === 0) return '';
    return `: install Istio's CRDs. Until then, port ${AMBIENT.port} leads its peers to every port in ${shortList(open)}`;
  }

  isReleased(profile: SegmentationProfile): boolean {
    return this.#overlay.isReleased(profile);
  }

  async #restore(): Promise<void> {
    try {
      await this.#overlay.restore(this.#stopping.signal);
    } catch (error) {
      if (!isAborted(error)) throw error;
    }
  }

  #lookAfter(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    });
  }

  async #look(): Promise<void> {
    try {
      const evidence = await readMeshEvidence(this.#options.transport, this.#stopping.signal);
      const { verdict, facts } = detectIstio(evidence, this.#facts);
      this.#decide(verdict, facts);
    } catch (error) {
      if (!isAborted(error)) throw error;
    }
    if (this.#stopping.signal.aborted) return;
    this.#lookAfter(this.#verdict?.status === 'True' ? INTERVAL_MS : UNCLEAR_INTERVAL_MS);
  }

  #decide(verdict: MeshVerdict, facts: MeshFacts): void {
    if (JSON.stringify(facts) !== JSON.stringify(this.#facts)) {
      this.#facts = facts;
      for (const each of this.#listeners) each.onFacts();
      this.#overlay.planAgain();
    }
    if (JSON.stringify(verdict) === JSON.stringify(this.#verdict)) return;
    this.#verdict = verdict;
    this.#options.onVerdict(verdict);
    for (const { profile } of this.#options.clusterState.profiles.values())
      this.#onReport(profile.metadata.name);
  }
}

function dependsOnMesh(profile: SegmentationProfile): boolean {
  return profile.spec.baseline.mesh === 'Allow' || asksForOverlay(profile.spec.mesh);
}
