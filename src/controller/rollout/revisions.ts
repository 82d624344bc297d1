/**
 * The recorded revisions of profiles: ControllerRevisions in the operator's namespace. They are watched once a profile has
 * a rollout, and never changed.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { projectKeyOnly } from '../../cluster-state/items.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { type Item, Store } from '../../kube/watch/store.ts';
import type { Revisions } from '../../rollout/assign.ts';
import {
  CONTROLLER_REVISIONS,
  type ControllerRevision,
  recordedRevision,
  revisionObject,
} from '../../rollout/recorded.ts';
import type { Revision } from '../../rollout/revision.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { errorToReport } from './list-error.ts';

/** Revisions of a profile that are kept, at least; those in use are kept besides. */
const HISTORY = 10;

interface RevisionItem extends Item {
  /** The uid of its profile; undefined for a ControllerRevision of somebody else. */
  readonly profile: string | undefined;
  readonly revision: Revision | undefined;
}

export interface RecordedRevisionsOptions {
  readonly transport: Transport;
  /** The operator's own. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  /** All revisions are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Called with the uid of a profile, and the number of its revision that was recorded or deleted. */
  readonly onChange: (profile: string, number: number) => void;
  /** Called once all revisions are known, and when they can't be read. */
  readonly onRead: () => void;
}

const NO_REVISIONS: Revisions = new Map();

export class RecordedRevisions {
  readonly #options: RecordedRevisionsOptions;
  readonly #resource: Resource<ControllerRevision>;
  readonly #store = new Store<RevisionItem>();
  readonly #stopping = new AbortController();
  /** By the uid of the profile. */
  readonly #byProfile = new Map<string, Map<number, Revision>>();
  #watch: { readonly reflector: Reflector<RevisionItem>; readonly ended: Promise<void> } | undefined;
  #error: unknown;

  constructor(options: RecordedRevisionsOptions) {
    this.#options = options;
    this.#resource = new Resource(options.transport, CONTROLLER_REVISIONS);
    this.#store.subscribe(({ old, new: next }) => {
      const { profile, revision } = next ?? old ?? {};
      if (profile === undefined) return;
      this.#byProfile.delete(profile);
      options.onChange(profile, revision?.number ?? 0);
    });
  }

  /** True once all revisions are known. */
  get isRead(): boolean {
    return this.#watch?.reflector.hasSynced ?? false;
  }

  /** Why they can't be read; undefined if that is not known, or they can. */
  get error(): unknown {
    return this.isRead ? undefined : this.#error;
  }

  /** Begins to watch; later calls do nothing. */
  watch(): void {
    if (this.#watch !== undefined || this.#stopping.signal.aborted) return;
    const { transport, namespace, clock, random, resyncMs, onRead } = this.#options;
    const reflector = new Reflector<RevisionItem>({
      transport,
      path: this.#resource.collection(namespace),
      project,
      sink: this.#store,
      clock,
      random,
      relistMs: resyncMs,
      onError: (error) => {
        this.#error = errorToReport(this.#error, error);
        onRead();
      },
    });
    this.#watch = { reflector, ended: reflector.run(this.#stopping.signal) };
    void reflector.synced.then(onRead);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watch?.ended;
  }

  /** The revisions of a profile, as far as they are known. */
  of({ metadata: { uid = '' } }: SegmentationProfile): Revisions {
    if (this.#store.size === 0) return NO_REVISIONS;
    let known = this.#byProfile.get(uid);
    if (known === undefined) {
      known = new Map();
      for (const { profile, revision } of this.#store.values())
        if (profile === uid && revision !== undefined) known.set(revision.number, revision);
      this.#byProfile.set(uid, known);
    }
    return known;
  }

  /** Records the profile as it is. @throws ApiError */
  async record(profile: SegmentationProfile, number: number, signal: AbortSignal): Promise<void> {
    const object = revisionObject(profile, number, this.#options.namespace);
    this.#store.observe(project(await this.#resource.create(object, { signal })));
  }

  /** Deletes the oldest revisions beyond the history. @param used numbers that must stay @throws ApiError */
  async prune(profile: SegmentationProfile, used: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
    const own = [...this.#store.values()].filter((item) => item.profile === profile.metadata.uid);
    const newestFirst = own.sort((a, b) => (b.revision?.number ?? 0) - (a.revision?.number ?? 0));
    for (const item of newestFirst.slice(HISTORY)) {
      if (used.has(item.revision?.number ?? 0)) continue;
      const [namespace = '', name = ''] = item.key.split('/');
      const { uid, resourceVersion } = item;
      const preconditions = { uid, resourceVersion };
      await this.#resource.delete(name, namespace, { preconditions, signal });
      this.#store.forget(item.key, item.uid);
    }
  }
}

function project(raw: object): RevisionItem {
  const { profile, revision } = recordedRevision(raw as KubeObject) ?? {};
  return { ...projectKeyOnly(raw), profile, revision };
}
