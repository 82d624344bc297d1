/**
 * The engine of the cluster, found by evidence: looked for at the start, on a schedule, and when a profile begins to depend on
 * it. Reads only. Profiles whose peers depend on the engine get the condition EngineReady, which is for information: it
 * neither opens nor cuts anything.
 */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { ProfileItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { type DependentPeer, dependentPeers } from '../../engines/dependent-peers.ts';
import { detect, type EngineVerdict } from '../../engines/detection/detect.ts';
import { gatherEvidence } from '../../engines/detection/gather.ts';
import type { EngineSignature } from '../../engines/detection/signature.ts';
import type { EngineSetting } from '../../engines/engine.ts';
import { daemonSetState } from '../../kube/daemon-sets.ts';
import { servedGroups } from '../../kube/discovery.ts';
import { isAborted } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import type { Clock, Timer } from '../../util/clock.ts';
import { listText } from '../../util/list-text.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import type { StagingReport } from './staged.ts';
import type { EngineExtensions } from './support.ts';

export interface EngineDetectionOptions {
  readonly setting: EngineSetting;
  readonly signatures: readonly EngineSignature[];
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  /** The policies of the engine in force. */
  readonly extensions: EngineExtensions;
  /** Called when the verdict changes. */
  readonly onVerdict: (verdict: EngineVerdict) => void;
}

/** The engine is looked for again after this time, in milliseconds. */
const INTERVAL_MS = 60_000;
/** The interval while the evidence is unclear. */
const UNCLEAR_INTERVAL_MS = 10_000;
/** Least time between two looks, in milliseconds. */
const LEAST_INTERVAL_MS = 1000;

export class EngineDetection implements Capability {
  readonly engine: EngineExtensions;
  readonly #options: EngineDetectionOptions;
  readonly #stopping = new AbortController();
  #verdict: EngineVerdict | undefined;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #onReport: (profile: string) => void = () => {};

  constructor(options: EngineDetectionOptions) {
    this.#options = options;
    this.engine = options.extensions;
    this.engine.subscribe({ onFacts: () => this.#notifyProfiles(), onDrift: () => {} });
    this.engine.onStagingReport(() => this.#notifyProfiles());
  }

  lead(onReport: (profile: string) => void): void {
    this.#onReport = onReport;
    this.#options.clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    this.#lookAfter(0);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.cancel();
    await this.#looking;
    await this.engine.stop();
  }

  isJudged(profile: SegmentationProfile): boolean {
    if (this.#verdict === undefined) return dependentPeers(profile).length === 0 && !isAudited(profile);
    return this.#stagingOf(profile)?.kind !== 'unknown';
  }

  /** Only profiles whose peers depend on the engine, or whose policies it can stage, have the condition. */
  report(profile: SegmentationProfile): CapabilityReport | undefined {
    const peers = this.#peersOf(profile);
    const staging = this.#stagingOf(profile);
    if ((peers.length === 0 && staging === undefined) || this.#verdict === undefined) return undefined;
    const { status, reason, message } = this.#judgement(this.#verdict, peers);
    const failed = staging?.kind === 'failed' ? staging : undefined;
    const dependent = `${listText(peers.map(({ name }) => name))} ${peers.length === 1 ? 'depends' : 'depend'} on it`;
    const text = [
      peers.length > 0 ? `${message} (${dependent})` : message,
      ...(staging === undefined || staging.kind === 'unknown' ? [] : [staging.message]),
    ].join('; ');
    return {
      condition: {
        type: 'EngineReady',
        status: failed === undefined ? status : 'False',
        reason: isContradicted(this.#verdict) ? reason : (failed?.reason ?? reason),
        message: text,
      },
      isInformation: true,
      isStalled: false,
    };
  }

  #stagingOf(profile: SegmentationProfile): StagingReport | undefined {
    return isAudited(profile) ? this.engine.stagingReport(profile.metadata.name) : undefined;
  }

  isReleased({ metadata }: SegmentationProfile): boolean {
    return !this.engine.hasStaged(metadata.name);
  }

  /** An engine that does not know accounts leaves them to labels. */
  #peersOf(profile: SegmentationProfile): readonly DependentPeer[] {
    return dependentPeers(profile).filter(
      ({ kind }) => kind !== 'serviceAccount' || this.engine.carries(kind),
    );
  }

  /** The verdict and, if the engine's own policies are needed for the peers, and can't be written, why. */
  #judgement(
    verdict: EngineVerdict,
    peers: readonly DependentPeer[],
  ): Pick<EngineVerdict, 'status' | 'message'> & { readonly reason: string } {
    const facts = this.engine.facts();
    if (facts?.kind !== 'missing' || !peers.some(({ kind }) => facts.carries.has(kind))) return verdict;
    const { reason } = isContradicted(verdict) ? verdict : facts;
    return { status: 'False', reason, message: `${verdict.message}; ${facts.message}` };
  }

  #profileChanged({ old, new: next }: StoreChange<ProfileItem>): void {
    if (next === undefined) return;
    const before = new Set(old && dependentPeers(old.profile).map(({ name }) => name));
    if (dependentPeers(next.profile).some(({ name }) => !before.has(name)))
      this.#lookAfter(LEAST_INTERVAL_MS);
  }

  #lookAfter(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    });
  }

  async #look(): Promise<void> {
    const { setting, signatures, transport } = this.#options;
    try {
      const { signal } = this.#stopping;
      const evidence = await gatherEvidence(signatures, {
        groups: () => servedGroups(transport, signal),
        agent: (name) => daemonSetState(transport, name, signal),
      });
      this.#decide(detect(setting, evidence, this.#verdict?.engine));
    } catch (error) {
      if (!isAborted(error)) throw error;
    }
    if (this.#stopping.signal.aborted) return;
    this.#lookAfter(this.#verdict?.status === 'True' ? INTERVAL_MS : UNCLEAR_INTERVAL_MS);
  }

  #decide(verdict: EngineVerdict): void {
    const before = this.#verdict;
    this.#verdict = verdict;
    if (JSON.stringify(before) === JSON.stringify(verdict)) return;
    this.#options.onVerdict(verdict);
    this.engine.inForce(verdict);
    this.#notifyProfiles();
  }

  #notifyProfiles(): void {
    const { clusterState } = this.#options;
    for (const { profile } of clusterState.profiles.values())
      if (isAudited(profile) || dependentPeers(profile).length > 0) this.#onReport(profile.metadata.name);
  }
}

/** True if another engine than the configured one runs, which explains why policies of the configured one can't be written. */
function isContradicted({ reason }: EngineVerdict): boolean {
  return reason === 'EngineDisagrees';
}

function isAudited({ spec }: SegmentationProfile): boolean {
  return spec.mode === 'Audit';
}
