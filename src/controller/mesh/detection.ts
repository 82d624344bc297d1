/**
 * The service mesh of the cluster: its traces and its configuration are read at the start and on a schedule. Reads only.
 * Profiles with `baseline.mesh: Allow` get the condition MeshReady, which is for information: peers that can't be resolved
 * without the mesh are reported by PeersResolved.
 */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { detectIstio, type MeshVerdict } from '../../engines/istio/detect.ts';
import { isAborted } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { MeshFacts } from '../../policy/mesh.ts';
import type { Clock, Timer } from '../../util/clock.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import type { MeshListener, MeshSupport } from '../mesh-support.ts';
import { readMeshEvidence } from './read-evidence.ts';

export interface MeshDetectionOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  /** Called when the verdict changes. */
  readonly onVerdict: (verdict: MeshVerdict) => void;
}

/** The mesh is looked at again after this time, in milliseconds. */
const INTERVAL_MS = 60_000;
/** The interval while the evidence is unclear. */
const UNCLEAR_INTERVAL_MS = 10_000;

export class MeshDetection implements Capability, MeshSupport {
  readonly mesh: MeshSupport = this;
  readonly failure = undefined;
  readonly #options: MeshDetectionOptions;
  readonly #listeners: MeshListener[] = [];
  readonly #stopping = new AbortController();
  #verdict: MeshVerdict | undefined;
  #facts: MeshFacts | undefined;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #onReport: (profile: string) => void = () => {};

  constructor(options: MeshDetectionOptions) {
    this.#options = options;
  }

  lead(onReport: (profile: string) => void): void {
    this.#onReport = onReport;
    this.#lookAfter(0);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.cancel();
    await this.#looking;
  }

  /** Each time the same object, until the facts change. */
  facts(): MeshFacts | undefined {
    return this.#facts;
  }

  subscribe(listener: MeshListener): void {
    this.#listeners.push(listener);
  }

  isJudged(profile: SegmentationProfile): boolean {
    return this.#verdict !== undefined || !dependsOnMesh(profile);
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    if (!dependsOnMesh(profile) || this.#verdict === undefined) return undefined;
    return { condition: { type: 'MeshReady', ...this.#verdict }, isInformation: true, isStalled: false };
  }

  isReleased(): boolean {
    return true;
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
    }
    if (JSON.stringify(verdict) === JSON.stringify(this.#verdict)) return;
    this.#verdict = verdict;
    this.#options.onVerdict(verdict);
    for (const { profile } of this.#options.clusterState.profiles.values())
      if (dependsOnMesh(profile)) this.#onReport(profile.metadata.name);
  }
}

function dependsOnMesh({ spec }: SegmentationProfile): boolean {
  return spec.baseline.mesh === 'Allow';
}
