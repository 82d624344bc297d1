// Judges every revision of the model and every request of the operator by invariants I1 to I6.
import type { Pod } from '../../../src/analysis/cluster.ts';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { LABEL_PROFILE } from '../../../src/api/names.ts';
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import type { ProfileStatus } from '../../../src/api/profile.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import type { ClusterState } from '../../../src/cluster-state/state.ts';
import type { Request } from '../../../src/kube/http/transport.ts';
import { DIRECTIONS, fingerprint, isolates } from '../../../src/policy/semantics/normalize.ts';
import { isTransitionalCover } from '../../../src/policy/planning/transition.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { Judge } from '../../support/judge.ts';
import { type Combination, Inputs, isUnresolved, policiesOf } from '../schedule/inputs.ts';
import { isOperator, ObservedCluster } from './observed-cluster.ts';
import { EXTERNAL, NAMESPACES, NODE_ADDRESSES, PROFILES, STABLE } from '../schedule/plan.ts';
import { NAMESPACE, NETWORK_POLICY, PROFILE } from '../server/kinds.ts';
import { routeOf } from '../server/route.ts';
import type { Answer } from '../server/server.ts';
import type { Revision, Storage } from '../server/storage.ts';
import { hasStablePods, POD_LABELS } from '../schedule/users.ts';

const CONTAINER = { name: 'http', containerPort: 8080 } as const;
const PODS: readonly Pod[] = [...STABLE, 'd'].flatMap((namespace, home) =>
  POD_LABELS.map((labels, index) => {
    const ips = [`10.0.${home}.${index + 1}`];
    return { namespace, name: `pod-${index}`, labels, ips, ports: [CONTAINER] };
  }),
);
/** Remembers verdicts across schedules, as these have much in common. */
const judge = new Judge(PODS, [...EXTERNAL, ...NODE_ADDRESSES]);

type Policies = readonly NetworkPolicy[];
const NOTHING: Policies = [];
type ReplicaState = (
  replica: string,
) => { readonly clusterState: ClusterState; readonly leads: boolean } | undefined;

export class Recorder {
  /** The first thing that went wrong. */
  fault: string | undefined;
  readonly inputs = new Inputs();
  readonly observed: ObservedCluster;
  readonly counts = { revisions: 0, writes: 0, transitions: 0, openings: 0, requests: 0 };
  readonly #time: () => number;
  /** What a replica knows, and whether it leads. */
  readonly #replicaState: ReplicaState;
  /** Of each namespace: what stood when the round began, and what others made of it since. */
  readonly before = new Map<string, Policies>();
  readonly #userEdits = new Map<string, Policies[]>();
  /** Of each namespace: all that stood since the round began. What is known of a peer is read back from it. */
  readonly #seenPolicies = new Map<string, Policies[]>();
  /** Of what stood then: what the operator made, and what is marked with no profile that there was. */
  readonly #orphans = new Map<string, Policies>();
  /** What each combination asks for, by it and what is known of peers; and the same value for the same policies. */
  readonly #intents = new Map<string, Policies>();
  readonly #contents = new Map<string, Policies>();
  readonly #unions = new Map<string, Policies>();
  readonly #ids = new WeakMap<Policies, number>();
  #nextId = 0;
  #references = new Map<string, readonly Policies[]>();
  /** When a replica sent the latest live read of an object that was answered, by replica and path. */
  readonly #reads = new Map<string, number>();
  /** The newest that any leader knew of an object when it wrote, by namespace and object. */
  readonly #acted = new Map<string, number>();
  readonly #known = new WeakMap<Request, ReadonlyMap<string, number>>();

  constructor(storage: Storage, time: () => number, replicaState: ReplicaState) {
    this.observed = new ObservedCluster(storage, this.inputs);
    this.#time = time;
    this.#replicaState = replicaState;
    storage.subscribe((revision) => this.#onRevision(revision));
  }

  /** All has settled: what stands now is what the next changes start from. */
  beginRound(): void {
    this.inputs.settle();
    this.remembers = true;
    this.#userEdits.clear();
    this.#seenPolicies.clear();
    this.#intents.clear();
    this.#contents.clear();
    this.#unions.clear();
    this.#references.clear();
    for (const namespace of NAMESPACES) {
      const policies = this.observed.policies(namespace);
      this.before.set(namespace, policies);
      const left = policies.filter(
        (each) =>
          this.observed.operatorPolicies.has(each.metadata.uid ?? '') &&
          this.observed.ownerOf(each) === undefined,
      );
      this.#orphans.set(namespace, left);
    }
  }

  /** Whether one process leads since the round began, and so remembers what it wrote before. */
  remembers = true;

  /** What others made of a namespace since the round began. */
  userEdits(namespace: string): readonly Policies[] {
    return this.#userEdits.get(namespace) ?? [];
  }

  onSend(replica: string, request: Request): void {
    this.counts.requests += 1;
    if (request.method === 'GET') return;
    const why = withoutPrecondition(request);
    if (why !== undefined) this.#fail(`I4, ${why}: ${request.method} ${request.path}`);
    const { clusterState, leads = false } = this.#replicaState(replica) ?? {};
    if (!leads) this.#fail(`I4, ${replica} writes and does not lead: ${request.method} ${request.path}`);
    const { kind, namespace } = routeOf(request.path);
    if (clusterState === undefined || kind !== NETWORK_POLICY || namespace === undefined) return;
    const known = new Map<string, number>();
    for (const name of PROFILES) {
      const { uid, generation = 0 } = clusterState.profile(name)?.metadata ?? {};
      if (uid !== undefined) known.set(`${namespace} profile ${name} ${uid}`, generation);
    }
    const { uid, resourceVersion } = clusterState.namespaces.get(namespace) ?? {};
    if (uid !== undefined) known.set(`${namespace} ${uid}`, Number(resourceVersion));
    this.#known.set(request, known);
  }

  onHandled(replica: string, request: Request, { status }: Answer, sent: number): void {
    if (status >= 300) return;
    if (request.method === 'GET') {
      const read = `${replica} ${request.path}`;
      // One that was sent before may be answered after.
      this.#reads.set(read, Math.max(sent, this.#reads.get(read) ?? 0));
    } else if (this.#replicaState(replica)?.leads) this.#judgeKnowledge(request);
  }

  /** Nobody actions on something older than what was acted on before, in this process or another one. */
  #judgeKnowledge(request: Request): void {
    for (const [what, version] of this.#known.get(request) ?? []) {
      const newest = this.#acted.get(what) ?? 0;
      if (version < newest)
        this.#fail(
          `I4, ${request.method} ${request.path} goes back: it knows ${version} of ${what}, and ${newest} was acted on`,
        );
      this.#acted.set(what, Math.max(version, newest));
    }
  }

  #onRevision(revision: Revision): void {
    this.counts.revisions += 1;
    const { kind, object, previous, type, author } = revision;
    const namespace = kind === NAMESPACE ? object.metadata.name : (object.metadata.namespace ?? '');
    const before = this.observed.policies(namespace);
    this.observed.follow(revision, this.#time());
    if (isOperator(author)) this.counts.writes += 1;
    if (kind !== NETWORK_POLICY || !this.observed.operatorPolicies.has(object.metadata.uid ?? ''))
      this.#references.clear();
    if (kind === NAMESPACE) {
      if (type === 'ADDED') {
        this.before.set(namespace, []);
        this.#orphans.delete(namespace);
        this.#userEdits.delete(namespace);
      }
      for (const each of NAMESPACES) this.#judgeNamespace(each, revision);
    }
    if (kind === PROFILE && isOperator(author)) this.#judgeStatus(previous, object);
    if (kind !== NETWORK_POLICY) return;
    if (isOperator(author)) {
      this.#judgeOwnership(revision);
      this.#judgeOpening(namespace, before, revision);
      if (object.metadata.labels?.['segmentation.dev/role'] === 'transition') this.counts.transitions += 1;
    } else if (author === 'user') {
      this.#userEdits.set(namespace, [...this.userEdits(namespace), this.observed.policies(namespace)]);
      this.#references.delete(namespace);
    }
    this.#judgeNamespace(namespace, revision);
  }

  /** I1 and I2. */
  #judgeNamespace(namespace: string, { at, author, type, kind, key }: Revision): void {
    const { labels } = this.observed;
    if (!labels.has(namespace)) return;
    const now = this.observed.policies(namespace);
    const fault = judge.fault(
      namespace,
      now,
      this.#referencesOf(namespace),
      labels,
      !hasStablePods(namespace),
    );
    if (fault !== undefined)
      this.#fail(`${fault}, at revision ${at} (${author} ${type} ${kind.plural} ${key})`);
    const stood = this.#seenPolicies.get(namespace) ?? [];
    if (stood.at(-1) !== now) this.#seenPolicies.set(namespace, [...stood, now]);
  }

  #referencesOf(namespace: string): readonly Policies[] {
    let references = this.#references.get(namespace);
    if (references !== undefined) return references;
    const known = [this.before.get(namespace) ?? [], ...this.userEdits(namespace)];
    const bases = [...known, ...(this.#seenPolicies.get(namespace) ?? [])];
    const combinations = this.inputs.combinations(namespace);
    const isFixed = combinations.every((each) => !isUnresolved(each, namespace));
    const intents = combinations.flatMap((each) =>
      (isFixed ? known : bases).flatMap((base) => this.#intent(namespace, each, base)),
    );
    references = [...known, ...new Set(intents)];
    if (isFixed) this.#references.set(namespace, references);
    return references;
  }

  /** What stands once a combination of inputs is enforced, with each value of what others own. */
  #intent(namespace: string, combination: Combination, base: Policies): Policies[] {
    const key = `${namespace} ${combination.key} ${this.#idOf(base)}`;
    let ours = this.#intents.get(key);
    if (ours === undefined) this.#intents.set(key, (ours = this.#ours(namespace, combination, base)));
    return this.inputs.values<Policies | undefined>(`foreign ${namespace}`).map((foreign = NOTHING) => {
      const same = `${this.#idOf(foreign)} ${this.#idOf(ours)}`;
      let policies = this.#unions.get(same);
      if (policies === undefined) this.#unions.set(same, (policies = [...foreign, ...ours]));
      return policies;
    });
  }

  /** The same value for the same policies. */
  #ours(namespace: string, combination: Combination, base: Policies): Policies {
    const existing = new Set(combination.profiles.map(({ profile }) => profile?.metadata.name ?? ''));
    const left = (this.#orphans.get(namespace) ?? []).filter(
      ({ metadata }) => !existing.has(metadata.labels?.[LABEL_PROFILE] ?? 'nobody'),
    );
    const ours = [...left, ...policiesOf(combination, namespace, lastKnownFrom(base))];
    const content = ours.map((each) => `${each.metadata.name} ${fingerprint(each)}`).join();
    const known = this.#contents.get(`${namespace} ${content}`);
    if (known === undefined) this.#contents.set(`${namespace} ${content}`, ours);
    return known ?? ours;
  }

  #idOf(policies: Policies): number {
    let id = this.#ids.get(policies);
    if (id === undefined) this.#ids.set(policies, (id = this.#nextId++));
    return id;
  }

  /** I5. */
  #judgeOwnership({ type, object, previous, key }: Revision): void {
    const before = previous ?? object;
    if (type !== 'ADDED' && !this.observed.operatorPolicies.has(before.metadata.uid ?? ''))
      this.#fail(`I5, somebody else's policy ${key} was ${type}`);
  }

  /** I4: a pod ceases to be isolated only where live reads, and what was true since, say so. */
  #judgeOpening(namespace: string, before: Policies, { at, author, key }: Revision): void {
    const after = this.observed.policies(namespace);
    for (const direction of DIRECTIONS) {
      const opened = POD_LABELS.filter(
        (pod) => isIsolated(pod, direction, before) && !isIsolated(pod, direction, after),
      );
      if (opened.length === 0) continue;
      this.counts.openings += 1;
      const read = this.#reads.get(`${author} /api/v1/namespaces/${namespace}`);
      const listed = this.#reads.get(
        `${author} /apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
      );
      const why = `I4, ${direction} of ${namespace} was opened at revision ${at} by ${key}`;
      if (read === undefined) return this.#fail(`${why}, and the namespace was never read`);
      // Each plan begins with a list of what stands. A read before that justified an earlier one.
      if (listed !== undefined && read < listed) return this.#fail(`${why}, and no live read preceded it`);
      const isMeant = this.inputs.combinations(namespace, read).some((each) => {
        const meant = policiesOf(each, namespace, lastKnownFrom(before), true);
        return opened.every((pod) => !isIsolated(pod, direction, meant));
      });
      if (!isMeant) this.#fail(`${why}, which nothing justified since the live read`);
    }
  }

  /** I6: a condition's time changes with its status only. */
  #judgeStatus(previous: KubeObject | undefined, object: KubeObject): void {
    const conditions = (of: KubeObject | undefined) =>
      (of as { status?: ProfileStatus } | undefined)?.status?.conditions ?? [];
    for (const { type, status, lastTransitionTime } of conditions(object)) {
      const old = conditions(previous).find((each) => each.type === type);
      if (old?.status === status && old.lastTransitionTime !== lastTransitionTime)
        this.#fail(`I6, condition ${type} of ${object.metadata.name} changed its time and not its status`);
    }
  }

  #fail(fault: string): void {
    this.fault ??= fault;
  }
}

/** Whether anything isolates a pod but what only keeps it open meanwhile. */
function isIsolated(pod: StringMap, direction: PolicyType, policies: Policies): boolean {
  return policies.some(
    (each) =>
      isolates(each.spec).includes(direction) &&
      matches(each.spec.podSelector ?? {}, pod) &&
      !isTransitionalCover(each),
  );
}

/** A write that would overwrite what somebody else has written meanwhile. */
function withoutPrecondition({ method, path, body }: Request): string | undefined {
  const { metadata, preconditions } = (body ?? {}) as {
    metadata?: { uid?: string; resourceVersion?: string };
    preconditions?: { uid?: string; resourceVersion?: string };
  };
  const has = (of: { uid?: string; resourceVersion?: string } | undefined) => of?.uid && of.resourceVersion;
  if (method === 'DELETE' && !has(preconditions)) return 'a delete without preconditions';
  if (method === 'PUT' && !has(metadata)) return 'an update without preconditions';
  if (method === 'PATCH' && !path.endsWith('/status') && !has(metadata))
    return 'a patch without preconditions';
  return undefined;
}
