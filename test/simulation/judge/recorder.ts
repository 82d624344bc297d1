/** Judges every revision of the model and every request of the operator by the invariants I1, I2, and I4 to I6. */
import type { Pod } from '../../../src/analysis/cluster.ts';
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { LABEL_PROFILE } from '../../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../../src/api/network-policy.ts';
import type { ProfileStatus } from '../../../src/api/profile.ts';
import type { ClusterState } from '../../../src/cluster-state/state.ts';
import type { Request } from '../../../src/kube/http/transport.ts';
import { fingerprint, isolates } from '../../../src/policy/semantics/normalize.ts';
import { isTransition, isTransitionalCover } from '../../../src/policy/planning/transition.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { Judge } from '../../support/judge/judge.ts';
import { IDENTITIES } from '../engines/effects.ts';
import { type Configured, TotalJudge, withAccounts } from '../engines/judge/total-judge.ts';
import { endsOf } from '../schedule/clock-window.ts';
import type { Combination } from '../schedule/combination.ts';
import { isOfException, verdicts } from '../schedule/exception-policies.ts';
import { EXCEPTED } from '../schedule/exceptions.ts';
import { Inputs, isUnresolved, policiesOf } from '../schedule/inputs.ts';
import { ObservedCluster } from './observed-cluster.ts';
import { openedWithoutGrant } from './exceptions.ts';
import { MissedEdits } from './missed-edits.ts';
import { GateJudge, type GateJudgeOptions } from './gates.ts';
import { RolloutJudge } from './rollouts.ts';
import { EXTERNAL, NAMESPACES, NODE_ADDRESSES, PROFILES, STABLE } from '../schedule/actions.ts';
import { EXCEPTION, NAMESPACE, NETWORK_POLICY, PROFILE, type Stored } from '../server/kinds.ts';
import { routeOf } from '../server/route.ts';
import { type Answer, isOperator, type Server } from '../server/server.ts';
import type { Revision } from '../server/storage.ts';
import { hasStablePods, POD_LABELS } from '../schedule/users.ts';

const CONTAINER = { name: 'http', containerPort: 8080 } as const;
const PODS: readonly Pod[] = [...STABLE, 'd'].flatMap((namespace, home) =>
  POD_LABELS.map((labels, index) => {
    const ips = [`10.0.${home}.${index + 1}`];
    return { namespace, name: `pod-${index}`, labels, ips, ports: [CONTAINER] };
  }),
);
/** Shared by all schedules: its cached verdicts hold for any of them. */
const judge = new Judge(PODS, [...EXTERNAL, ...NODE_ADDRESSES]);
/** With the accounts of pods, and with ends that only network engines know. */
const totalJudge = new Judge(withAccounts(PODS), [...EXTERNAL, ...NODE_ADDRESSES, ...IDENTITIES]);

type Policies = readonly NetworkPolicy[];
const NOTHING: Policies = [];
type ReplicaState = (replica: string) =>
  | {
      readonly clusterState: ClusterState;
      readonly leads: boolean;
      /** Its wall clock, and the same before a step that it may not have noticed; milliseconds since the epoch. */
      readonly readings: readonly number[];
    }
  | undefined;

export interface RecorderOptions extends GateJudgeOptions {
  /** The cluster state of a replica, and whether it leads; undefined for a dead one. */
  readonly replicaState: ReplicaState;
}

export class Recorder {
  /** The first broken invariant, in words. */
  breach: string | undefined;
  readonly inputs = new Inputs();
  readonly observed: ObservedCluster;
  /** True if no replica was elected in this round, so that the leader remembers its own writes. */
  hasSameLeader = true;
  readonly counts = {
    revisions: 0,
    writes: 0,
    transitions: 0,
    openings: 0,
    requests: 0,
    excepted: 0,
    waves: 0,
  };
  readonly #time: () => number;
  /** The cluster state of a replica, and whether it leads; undefined for a dead one. */
  readonly #replicaState: ReplicaState;
  /** The policies of each namespace when the round began. */
  readonly policiesAtStart = new Map<string, Policies>();
  /** The policies of each namespace after each change by a user in this round. */
  readonly #userEdits = new Map<string, Policies[]>();
  readonly #missed = new MissedEdits();
  /** Every state of the policies of each namespace in this round: last known peers are read back from any of them. */
  readonly #seenPolicies = new Map<string, Policies[]>();
  /** The operator's policies that belonged to no existing profile when the round began. */
  readonly #orphans = new Map<string, Policies>();
  /** The own policies of each combination and each state that peers are read back from. */
  readonly #intents = new Map<string, readonly Policies[]>();
  /** A shared list for equal policies, so that the judge's caches hit. */
  readonly #contents = new Map<string, Policies>();
  /** Foreign and own policies together. */
  readonly #unions = new Map<string, Policies>();
  readonly #ids = new WeakMap<Policies, number>();
  #nextId = 0;
  #references = new Map<string, readonly Policies[]>();
  /** When a replica sent its latest successful GET of a path, by replica and path. */
  readonly #liveReads = new Map<string, number>();
  /** The newest version of each object that any leader knew when it wrote, by namespace and object. */
  readonly #actedOn = new Map<string, number>();
  /** The versions that the leader knew when it sent a request. */
  readonly #knownVersions = new WeakMap<Request, ReadonlyMap<string, number>>();

  readonly #rollouts: RolloutJudge;

  /** Judges the objects of network engines together with the policies; absent without an engine. */
  total: TotalJudge | undefined;

  constructor({ storage, prometheus, permission, time, replicaState }: RecorderOptions) {
    this.observed = new ObservedCluster(storage, this.inputs);
    const seen = (namespace: string) => this.seenPolicies(namespace);
    const gates = new GateJudge({ storage, prometheus, permission, time });
    this.#rollouts = new RolloutJudge({ inputs: this.inputs, seen, gates, time });
    this.#time = time;
    this.#replicaState = replicaState;
    storage.subscribe((revision) => this.#onRevision(revision));
  }

  /** From now on, objects of network engines are judged too. */
  judgeEngines(server: Server, configured: Configured): void {
    this.total = new TotalJudge(this, server, totalJudge, configured);
  }

  /** A round begins, in which nothing disturbs the operator, or in which events of watches are lost. */
  expect({ isCalm, isLossy }: { readonly isCalm: boolean; readonly isLossy: boolean }): void {
    this.#rollouts.isCalm = isCalm;
    this.#rollouts.isLossy = isLossy;
  }

  /** Judges what should have happened by now. */
  judgeTime(): void {
    for (const name of PROFILES) {
      const profile = this.observed.profile(name);
      const fault = profile && this.#rollouts.overdue(profile);
      if (fault !== undefined) this.fail(fault);
    }
  }

  /** The cluster has converged: the next round starts from its current state. */
  beginRound(): void {
    this.inputs.forgetPast();
    this.hasSameLeader = true;
    this.#userEdits.clear();
    this.#missed.beginRound();
    this.#seenPolicies.clear();
    this.#intents.clear();
    this.#contents.clear();
    this.#unions.clear();
    this.#references.clear();
    for (const namespace of NAMESPACES) {
      const policies = this.observed.policies(namespace);
      this.policiesAtStart.set(namespace, policies);
      const left = policies.filter(
        (each) =>
          this.observed.operatorPolicies.has(each.metadata.uid ?? '') &&
          this.observed.ownerOf(each) === undefined,
      );
      this.#orphans.set(namespace, left);
    }
    this.total?.beginRound();
  }

  /** The policies of a namespace after each change by a user in this round. */
  userEdits(namespace: string): readonly Policies[] {
    return this.#userEdits.get(namespace) ?? [];
  }

  /** Changes with the edits of the operator's policies that a leader could not know as it wrote. */
  missedEdits(namespace: string): string {
    return this.#missed.key(namespace);
  }

  /** True if the leader knew the present labels of a namespace as it sent its latest write of a NetworkPolicy there. */
  knewLabels(leader: string, namespace: string): boolean {
    return this.#missed.knewLabels(leader, namespace, this.observed.labels.get(namespace));
  }

  /** Every state of the policies of a namespace in this round, the first one included. */
  seenPolicies(namespace: string): readonly Policies[] {
    return [this.policiesAtStart.get(namespace) ?? NOTHING, ...(this.#seenPolicies.get(namespace) ?? [])];
  }

  /** The exceptions in force at `now` by the clock of the leader, each with its end, in milliseconds since the epoch. */
  exceptionsInForce(now: number): { readonly exception: SegmentationException; readonly end: number }[] {
    this.observeClock(now);
    return EXCEPTED.flatMap((namespace) => {
      const current = this.inputs.current(namespace);
      return [...verdicts(current, namespace, this.observed.policies(namespace))].flatMap(
        ([exception, verdict]) => (verdict.kind === 'in-force' ? [{ exception, end: verdict.end }] : []),
      );
    });
  }

  policiesOfException({ metadata }: SegmentationException): Policies {
    return this.observed
      .policies(metadata.namespace ?? '')
      .filter((each) => each.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
  }

  /** True if the verdict on an exception may change between two times of the leader's clock. */
  hasEnd(from: number, to: number): boolean {
    return EXCEPTED.some((namespace) =>
      this.inputs
        .current(namespace)
        .exceptions.flatMap(endsOf)
        .some((end) => end > from && end <= to),
    );
  }

  /** The clock of the leader shows `now`, in milliseconds since the epoch. */
  observeClock(now: number): void {
    if (this.inputs.clock.observe(now)) this.#references.clear();
  }

  onSend(replica: string, request: Request): void {
    this.counts.requests += 1;
    if (request.method === 'GET') return;
    const why = withoutPrecondition(request);
    if (why !== undefined) this.fail(`I4, ${why}: ${request.method} ${request.path}`);
    const { clusterState, leads = false, readings = [] } = this.#replicaState(replica) ?? {};
    if (!leads)
      this.fail(`I4, ${replica} writes although it does not lead: ${request.method} ${request.path}`);
    const { kind, namespace } = routeOf(request.path);
    const isStrict = request.method === 'DELETE' || request.query?.['fieldValidation'] === 'Strict';
    if (kind.isDefined && !isStrict)
      this.fail(`a write that lets unknown fields be dropped: ${request.method} ${request.path}`);
    if (clusterState === undefined) return;
    this.observeClock(readings[0] ?? 0);
    if (kind !== NETWORK_POLICY || namespace === undefined) return;
    this.#judgeException(request, namespace, { replica, readings });
    this.#missed.sent(replica, namespace, {
      policies: clusterState.policies.byNamespace(namespace),
      labels: clusterState.namespaces.get(namespace)?.labels,
    });
    const known = new Map<string, number>();
    for (const name of PROFILES) {
      const { uid, generation = 0 } = clusterState.profile(name)?.metadata ?? {};
      if (uid !== undefined) known.set(`${namespace} profile ${name} ${uid}`, generation);
    }
    const { uid, resourceVersion } = clusterState.namespaces.get(namespace) ?? {};
    if (uid !== undefined) known.set(`${namespace} ${uid}`, Number(resourceVersion));
    this.#knownVersions.set(request, known);
  }

  onHandled(replica: string, request: Request, { status }: Answer, sent: number): void {
    if (status >= 300) return;
    if (request.method === 'GET') {
      const read = `${replica} ${request.path}`;
      // Answers may arrive out of order.
      this.#liveReads.set(read, Math.max(sent, this.#liveReads.get(read) ?? 0));
    } else if (this.#replicaState(replica)?.leads) this.#judgeKnownVersions(request);
  }

  /** The policy of an exception is written only while the exception is in force, as it was read live. */
  #judgeException(
    { method, body }: Request,
    namespace: string,
    { replica, readings }: { readonly replica: string; readonly readings: readonly number[] },
  ): void {
    if (method === 'DELETE') return;
    const opened = openedWithoutGrant(body as NetworkPolicy, {
      namespace,
      inputs: this.inputs,
      readings,
      base: this.observed.policies(namespace),
      readAt: (path) => this.#liveReads.get(`${replica} ${path}`),
    });
    if (opened === undefined) return;
    this.counts.excepted += 1;
    if (opened !== '') this.fail(`I4, ${opened}`);
  }

  /** I4: no leader acts on an older version of an object than this leader, or a former one, acted on before. */
  #judgeKnownVersions(request: Request): void {
    for (const [object, version] of this.#knownVersions.get(request) ?? []) {
      const newest = this.#actedOn.get(object) ?? 0;
      if (version < newest)
        this.fail(
          `I4, ${request.method} ${request.path} is stale: it knows version ${version} of ${object}, and ${newest} was acted on`,
        );
      this.#actedOn.set(object, Math.max(version, newest));
    }
  }

  /** The mesh goes by these AuthorizationPolicies from now on. */
  followMesh(policies: readonly Stored[]): void {
    const fault = this.total?.push(policies);
    if (fault !== undefined) this.fail(`${fault}, with extensions, as istiod passes policies on`);
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
        this.policiesAtStart.set(namespace, []);
        this.#orphans.delete(namespace);
        this.#userEdits.delete(namespace);
      }
      for (const each of NAMESPACES) this.#judgePolicies(each, revision);
    }
    if ((kind === PROFILE || kind === EXCEPTION) && isOperator(author)) this.#judgeStatus(previous, object);
    if (kind === PROFILE) {
      const fault = this.#rollouts.follow(revision);
      this.counts.waves = this.#rollouts.waves;
      if (fault !== undefined) this.fail(fault);
    }
    this.#judgeNetworkPolicy(revision, namespace, before);
    const fault = this.total?.follow(revision);
    const { at, key } = revision;
    if (fault !== undefined)
      this.fail(`${fault}, with extensions, at revision ${at} (${author} ${type} ${kind.plural} ${key})`);
  }

  #judgeNetworkPolicy(revision: Revision, namespace: string, before: Policies): void {
    const { kind, object, author } = revision;
    if (kind !== NETWORK_POLICY) return;
    if (isOperator(author)) {
      if (this.#missed.written(author, namespace)) this.#references.delete(namespace);
      this.#judgeOwnership(revision);
      this.#judgeOpening(namespace, before, revision);
      if (object.metadata.labels?.['segmentation.dev/role'] === 'transition') this.counts.transitions += 1;
    } else if (author === 'user' || isOfException(object)) {
      // The garbage collector deletes the policies of a deleted exception, whoever may allow the same flows next.
      const now = this.observed.policies(namespace);
      const isOwn = this.observed.operatorPolicies.has(object.metadata.uid ?? '');
      if (isOwn) {
        const { name } = object.metadata;
        const after = now.find(({ metadata }) => metadata.name === name);
        this.#missed.edited(namespace, { name, at: revision.at, after });
      }
      // A cover hides what the edit cuts, and goes before the operator sees the edit.
      const uncovered = isOwn && now.some(isTransition) ? [now.filter((each) => !isTransition(each))] : [];
      this.#userEdits.set(namespace, [...this.userEdits(namespace), now, ...uncovered]);
      this.#references.delete(namespace);
    }
    this.#judgePolicies(namespace, revision);
  }

  /** I1 and I2. */
  #judgePolicies(namespace: string, { at, author, type, kind, key }: Revision): void {
    const { labels } = this.observed;
    if (!labels.has(namespace)) return;
    const now = this.observed.policies(namespace);
    const breach = judge.fault({
      namespace,
      policies: now,
      references: this.#referencesOf(namespace),
      labels,
      mayCut: !hasStablePods(namespace) || this.total?.states.isIsolatedByOthers(namespace) === true,
    });
    if (breach !== undefined)
      this.fail(`${breach}, at revision ${at} (${author} ${type} ${kind.plural} ${key})`);
    const stood = this.#seenPolicies.get(namespace) ?? [];
    if (stood.at(-1) !== now) this.#seenPolicies.set(namespace, [...stood, now]);
  }

  #referencesOf(namespace: string): readonly Policies[] {
    let references = this.#references.get(namespace);
    if (references !== undefined) return references;
    const known = [this.policiesAtStart.get(namespace) ?? [], ...this.userEdits(namespace)];
    const bases = [...known, ...(this.#seenPolicies.get(namespace) ?? [])];
    const combinations = this.inputs.combinations(namespace);
    const isFixed = combinations.every((each) => !isUnresolved(each, namespace));
    const intents = combinations.flatMap((each) =>
      (isFixed ? known : bases).flatMap((base) => this.intents(namespace, each, base)),
    );
    references = [...known, ...new Set(intents)];
    if (isFixed) this.#references.set(namespace, references);
    return references;
  }

  /** The policies when a combination of inputs is enforced, beside each state of the foreign policies. */
  intents(namespace: string, combination: Combination, base: Policies): Policies[] {
    const key = `${namespace} ${combination.key} ${this.#idOf(base)} ${this.missedEdits(namespace)}`;
    let owns = this.#intents.get(key);
    if (owns === undefined) this.#intents.set(key, (owns = this.#ownPolicies(namespace, combination, base)));
    return this.inputs.values<Policies | undefined>(`foreign ${namespace}`).flatMap((foreign = NOTHING) =>
      owns.map((own) => {
        const pair = `${this.#idOf(foreign)} ${this.#idOf(own)}`;
        let policies = this.#unions.get(pair);
        if (policies === undefined) this.#unions.set(pair, (policies = [...foreign, ...own]));
        return policies;
      }),
    );
  }

  /**
   * The operator's policies for a combination of inputs. Two lists if somebody took the labels and the owner from a policy of a
   * held profile: the leader that saw it takes the policy for its own, and another leader for a foreign one.
   */
  #ownPolicies(namespace: string, combination: Combination, base: Policies): Policies[] {
    const existing = new Set(combination.profiles.map(({ asItIs }) => asItIs?.metadata.name ?? ''));
    const left = (this.#orphans.get(namespace) ?? []).filter(
      ({ metadata }) => !existing.has(metadata.labels?.[LABEL_PROFILE] ?? 'nobody'),
    );
    const isStripped = ({ metadata: { uid = '', labels } }: NetworkPolicy) =>
      labels?.[LABEL_PROFILE] === undefined && existing.has(this.observed.operatorPolicies.get(uid) ?? '');
    const own = policiesOf(combination, namespace, base);
    const lists = [[...left, ...own]];
    if (left.some(isStripped)) lists.push([...left.filter((each) => !isStripped(each)), ...own]);
    const edited = lists.flatMap((each) => this.#missed.applied(namespace, each));
    return [...lists, ...edited].map((each) => this.#shared(namespace, each));
  }

  /** Equal policies as one list. */
  #shared(namespace: string, own: Policies): Policies {
    const content = own.map((each) => `${each.metadata.name} ${fingerprint(each)}`).join();
    const known = this.#contents.get(`${namespace} ${content}`);
    if (known === undefined) this.#contents.set(`${namespace} ${content}`, own);
    return known ?? own;
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
      this.fail(`I5, the operator changed the foreign policy ${key}: ${type}`);
  }

  /** I4: a write ends a pod's isolation only if the inputs justify it at some time since the live reads. */
  #judgeOpening(namespace: string, before: Policies, { at, author, key }: Revision): void {
    const after = this.observed.policies(namespace);
    for (const direction of DIRECTIONS) {
      const opened = POD_LABELS.filter(
        (pod) => isIsolated(pod, direction, before) && !isIsolated(pod, direction, after),
      );
      if (opened.length === 0) continue;
      this.counts.openings += 1;
      const read = this.#liveReads.get(`${author} /api/v1/namespaces/${namespace}`);
      const listed = this.#liveReads.get(
        `${author} /apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
      );
      const why = `I4, ${direction} of ${namespace} was opened at revision ${at} by ${key}`;
      if (read === undefined) return this.fail(`${why}, and the namespace was never read live`);
      // A plan that opens begins with a live list. A namespace read before that list belongs to an earlier plan.
      if (listed !== undefined && read < listed) return this.fail(`${why}, and no live read preceded it`);
      const isJustified = this.inputs.combinations(namespace, read).some((each) => {
        // Policies of exceptions only add: they stand where their profile isolates, and go with its isolation.
        const required = policiesOf(each, namespace, before, { required: true }).filter(
          (policy) => !isOfException(policy),
        );
        return opened.every((pod) => !isIsolated(pod, direction, required));
      });
      if (!isJustified) this.fail(`${why}, which no input has justified since the live read`);
    }
  }

  /** I6: lastTransitionTime changes only with the status of its condition. */
  #judgeStatus(previous: KubeObject | undefined, object: KubeObject): void {
    const conditions = (of: KubeObject | undefined) =>
      (of as { status?: ProfileStatus } | undefined)?.status?.conditions ?? [];
    for (const { type, status, lastTransitionTime } of conditions(object)) {
      const old = conditions(previous).find((each) => each.type === type);
      if (old?.status === status && old.lastTransitionTime !== lastTransitionTime)
        this.fail(
          `I6, condition ${type} of ${object.metadata.name} changed lastTransitionTime and not its status`,
        );
    }
  }

  get hasFailed(): boolean {
    return this.breach !== undefined;
  }

  /** Records a broken invariant, unless another one came before it. */
  fail(breach: string): void {
    this.breach ??= breach;
  }
}

/** True if a policy other than a cover isolates the pod. */
function isIsolated(pod: StringMap, direction: PolicyType, policies: Policies): boolean {
  return policies.some(
    (each) =>
      isolates(each.spec).includes(direction) &&
      matches(each.spec.podSelector ?? {}, pod) &&
      !isTransitionalCover(each),
  );
}

/** Describes a write that could overwrite a concurrent change; undefined if its preconditions prevent that. */
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
