/**
 * Says of profiles with `spec.workloads.images` in which of their namespaces something verifies the signatures of images:
 * the operator itself verifies none. The objects of known verifiers are read when a profile begins to limit images, and
 * then about every ten minutes. Without such a profile, nothing is requested. Nothing is ever changed.
 */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem, ProfileItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import type { ClaimOn } from '../../policy/image-verification/evidence.ts';
import { imageVerifiers, verificationIn } from '../../policy/image-verification/verification.ts';
import { groupsInUse } from '../../policy/workloads/groups.ts';
import type { Clock, Random } from '../../util/clock.ts';
import type { Capability, CapabilityReport } from '../capability.ts';
import { KeyQueue, type Outcome, Priority } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { readEvidence } from './read-evidence.ts';
import { IMAGES_VERIFIED, reportOf } from './report.ts';

export interface ImageVerificationOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly random: Random;
}

/** Milliseconds until the verifiers are read again. */
const INTERVAL_MS = 600_000;
/** The one key of the queue. */
const VERIFIERS = 'verifiers';

interface Verifiers {
  readonly claims: readonly ClaimOn[];
  readonly forbidden: readonly string[];
}

export class ImageVerification implements Capability {
  readonly #options: ImageVerificationOptions;
  readonly #queue: KeyQueue<string>;
  /** Undefined until they were read. */
  #verifiers: Verifiers | undefined;
  #onReport: (profile: string) => void = () => {};

  constructor(options: ImageVerificationOptions) {
    const { clock, random } = options;
    this.#options = options;
    this.#queue = new KeyQueue({ concurrency: 1, clock, random, identify: (key) => key });
  }

  lead(onReport: (profile: string) => void): void {
    const { clusterState } = this.#options;
    this.#onReport = onReport;
    clusterState.profiles.subscribe((change) => this.#profileChanged(change));
    clusterState.namespaces.subscribe((change) => this.#namespaceChanged(change));
    if (this.#limiting().length > 0) this.#queue.add(VERIFIERS, Priority.backfill);
    this.#queue.start((_key, signal) => this.#read(signal));
  }

  async stop(): Promise<void> {
    await this.#queue.close();
  }

  /** Until the verifiers are read, the report is the stored one. */
  isJudged(): boolean {
    return true;
  }

  report(profile: SegmentationProfile): CapabilityReport | undefined {
    if (!limitsImages(profile)) return undefined;
    if (this.#verifiers === undefined) return storedReport(profile);
    const { clusterState } = this.#options;
    const { claims, forbidden } = this.#verifiers;
    const selected = [...clusterState.namespaces.values()].filter(
      (namespace) => clusterState.relation(profile, namespace) !== 'none',
    );
    const judged = selected.map(({ name, labels }) => ({
      name,
      verification: verificationIn({ name, labels }, claims, profile.spec.workloads?.images),
    }));
    return reportOf(judged, forbidden);
  }

  isReleased(): boolean {
    return true;
  }

  #limiting(): SegmentationProfile[] {
    return [...this.#options.clusterState.profiles.values()]
      .map(({ profile }) => profile)
      .filter(limitsImages);
  }

  async #read(signal: AbortSignal): Promise<Outcome> {
    const { transport, random } = this.#options;
    if (this.#limiting().length === 0) {
      this.#verifiers = undefined;
      return DONE;
    }
    try {
      const evidence = await readEvidence(transport, signal);
      this.#verifiers = { claims: imageVerifiers(evidence), forbidden: evidence.forbidden };
    } catch (error) {
      return isAborted(error) ? givenUp(error, signal) : retry(error);
    }
    for (const { metadata } of this.#limiting()) this.#onReport(metadata.name);
    const afterMs = INTERVAL_MS * (0.9 + 0.2 * random());
    return { kind: 'again', afterMs, priority: Priority.backfill };
  }

  #profileChanged({ old, new: next }: StoreChange<ProfileItem>): void {
    const isNew = next !== undefined && limitsImages(next.profile) && !(old && limitsImages(old.profile));
    if (isNew) this.#queue.add(VERIFIERS, Priority.live);
  }

  /** Verifiers select namespaces by their labels. */
  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    if (this.#verifiers === undefined || next === undefined) return;
    if (JSON.stringify(old?.labels) === JSON.stringify(next.labels)) return;
    const { clusterState } = this.#options;
    for (const profile of this.#limiting())
      if (clusterState.relation(profile, next) !== 'none') this.#onReport(profile.metadata.name);
  }
}

function limitsImages(profile: SegmentationProfile): boolean {
  return groupsInUse(profile).includes('images');
}

/** The report of an earlier process stays until this one has read (I6). */
function storedReport({ status }: SegmentationProfile): CapabilityReport {
  const stored = status?.conditions?.find(({ type }) => type === IMAGES_VERIFIED);
  const {
    status: value = 'Unknown',
    reason = 'Pending',
    message = 'what verifies images is still to be read',
  } = stored ?? {};
  return {
    condition: { type: IMAGES_VERIFIED, status: value, reason, message },
    isInformation: true,
    isStalled: false,
    ...(status?.imageVerification && { status: { imageVerification: status.imageVerification } }),
  };
}
