/**
 * Counts the objects in selected namespaces that exist and that `spec.workloads` would not admit now. They are read page by
 * page and not kept, only where a profile uses `workloads`: soon after the profile changed, a minute later, when no request
 * is under way that was judged by the old limits, and from then on every ten minutes. Nothing is ever changed.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { SegmentationProfile, WorkloadFindings } from '../../api/profile.ts';
import { PODS } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted, isForbidden, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource, type ResourceKind } from '../../kube/resource.ts';
import { groupsInUse, type Judged, judgedKinds, violationsOf } from '../../policy/workloads/groups.ts';
import type { Clock, Random } from '../../util/clock.ts';
import type { Outcome } from '../queue/key-queue.ts';
import { Priority } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { Tally } from './tally.ts';

export interface WorkloadViolationsOptions {
  readonly clusterState: ClusterState;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** The findings of the profile have changed. */
  readonly onReport: (profile: string) => void;
}

/** Delay of the second count, in milliseconds: by then no request is under way that was judged by the old limits. */
const SECOND_COUNT_MS = 75_000;
const RECOUNT_MS = 600_000;
/** Objects in a page: a page of pods is some megabytes. */
const PAGE = 200;
/** Up to this number, namespaces are always listed one by one. */
const FEW = 20;

/** How the objects of a kind are listed. */
interface Source {
  readonly resource: ResourceKind;
  /** Older versions, for clusters that do not serve that of `resource`; the newest first. */
  readonly olderVersions?: readonly string[];
  readonly fieldSelector?: string;
}

const GATEWAY_API = { group: 'gateway.networking.k8s.io', namespaced: true } as const;

const SOURCES: { readonly [Kind in keyof Judged]: Source } = {
  // A finished pod does nothing any more.
  Pod: { resource: PODS, fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' },
  Service: { resource: { ...PODS, plural: 'services' } },
  Ingress: { resource: { group: 'networking.k8s.io', version: 'v1', plural: 'ingresses', namespaced: true } },
  HTTPRoute: { resource: { ...GATEWAY_API, version: 'v1', plural: 'httproutes' } },
  GRPCRoute: { resource: { ...GATEWAY_API, version: 'v1', plural: 'grpcroutes' } },
  // Releases of the Gateway API serve the version v1 of the kind, or older ones only.
  TLSRoute: {
    resource: { ...GATEWAY_API, version: 'v1', plural: 'tlsroutes' },
    olderVersions: ['v1alpha3', 'v1alpha2'],
  },
};

/** The last count for a profile. */
interface Count {
  readonly intent: string;
  readonly findings: WorkloadFindings;
  /** When to count again, in monotonic milliseconds. */
  readonly dueMs: number;
}

export class WorkloadViolations {
  readonly #options: WorkloadViolationsOptions;
  readonly #counts = new Map<string, Count>();

  constructor(options: WorkloadViolationsOptions) {
    this.#options = options;
  }

  /**
   * The objects that break limits of the profile, for its status; undefined if it has none. Until they are counted by this
   * process, the stored findings stay (I6).
   */
  findings(profile: SegmentationProfile): WorkloadFindings | undefined {
    if (groupsInUse(profile).length === 0) return undefined;
    return this.#counts.get(profile.metadata.name)?.findings ?? profile.status?.workloads;
  }

  async reconcile(signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#reconcile(signal);
    } catch (error) {
      return isAborted(error) ? givenUp(error, signal) : retry(error);
    }
  }

  async #reconcile(signal: AbortSignal): Promise<Outcome> {
    const using = [...this.#options.clusterState.profiles.values()]
      .map(({ profile }) => profile)
      .filter((profile) => groupsInUse(profile).length > 0);
    const names = new Set(using.map(({ metadata }) => metadata.name));
    for (const name of this.#counts.keys()) if (!names.has(name)) this.#counts.delete(name);
    if (using.length === 0) return DONE;

    const due = using.filter((profile) => this.#isDue(profile));
    const tallies = await this.#count(due, signal);
    for (const [profile, tally] of tallies) this.#note(profile, tally.findings());
    const next = Math.min(...[...this.#counts.values()].map(({ dueMs }) => dueMs));
    const afterMs = Math.max(0, next - this.#options.clock.monotonic());
    return { kind: 'again', afterMs, priority: Priority.backfill };
  }

  #isDue(profile: SegmentationProfile): boolean {
    const count = this.#counts.get(profile.metadata.name);
    if (count === undefined || count.intent !== intentOf(profile)) return true;
    return count.dueMs <= this.#options.clock.monotonic();
  }

  /** Reads each object once for all of the profiles that select its namespace. */
  async #count(
    due: readonly SegmentationProfile[],
    signal: AbortSignal,
  ): Promise<Map<SegmentationProfile, Tally>> {
    const { clusterState } = this.#options;
    const tallies = new Map(due.map((profile) => [profile, new Tally(profile)]));
    const selecting = new Map<string, SegmentationProfile[]>();
    for (const namespace of clusterState.namespaces.values()) {
      const profiles = due.filter((profile) => clusterState.selects(profile, namespace));
      if (profiles.length > 0) selecting.set(namespace.key, profiles);
    }
    const places = this.#places([...selecting.keys()]);
    for (const kind of new Set(due.flatMap(judgedKinds))) {
      for (const place of places) {
        for await (const object of this.#objects(kind, place, signal)) {
          const { name, namespace = '' } = object.metadata;
          for (const profile of selecting.get(namespace) ?? [])
            tallies.get(profile)?.add({ namespace, kind, name }, violationsOf(profile, kind, object));
        }
      }
    }
    return tallies;
  }

  /** The namespaces to list one by one; undefined for one list of the whole cluster, if most of it has to be read. */
  #places(namespaces: readonly string[]): readonly (string | undefined)[] {
    const isMost =
      namespaces.length > FEW && namespaces.length * 4 > this.#options.clusterState.namespaces.size;
    return isMost ? [undefined] : namespaces;
  }

  /**
   * Lists page by page. A namespace that is gone, and a kind that the cluster lacks, have no objects. Without config/workloads
   * the operator may not list Ingresses and routes: then AdmissionReady says what to install.
   */
  async *#objects<Kind extends keyof Judged>(
    kind: Kind,
    namespace: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Judged[Kind]> {
    const { resource, olderVersions = [], fieldSelector } = SOURCES[kind];
    for (const version of [resource.version, ...olderVersions]) {
      const client = new Resource<KubeObject>(this.#options.transport, { ...resource, version });
      let next: string | undefined;
      try {
        do {
          const page = await client.list({ namespace, fieldSelector, limit: PAGE, continue: next, signal });
          for (const item of page.items) yield item as Judged[Kind];
          next = page.metadata.continue || undefined;
        } while (next !== undefined);
        return;
      } catch (error) {
        if (isForbidden(error) && kind !== 'Pod') return;
        if (!isNotFound(error)) throw error;
      }
    }
  }

  #note(profile: SegmentationProfile, findings: WorkloadFindings): void {
    const { clock, random, onReport } = this.#options;
    const { name } = profile.metadata;
    const last = this.#counts.get(name);
    const intent = intentOf(profile);
    const intervalMs = last?.intent === intent ? RECOUNT_MS * (0.9 + 0.2 * random()) : SECOND_COUNT_MS;
    this.#counts.set(name, { intent, findings, dueMs: clock.monotonic() + intervalMs });
    if (JSON.stringify(last?.findings) !== JSON.stringify(findings)) onReport(name);
  }
}

/** The parts of the profile that the findings depend on, as one text. */
function intentOf({ metadata, spec }: SegmentationProfile): string {
  return JSON.stringify([metadata.uid, spec.namespaceSelector, spec.excludeNamespaces, spec.workloads]);
}
