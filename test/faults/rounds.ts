/**
 * The rounds of the fault suite. The cluster has converged; a fault begins, and alone causes no write; the inputs change;
 * the fault ends; the cluster converges again. Then every revision of the round is judged.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../src/analysis/cluster.ts';
import { LABEL_ROLE } from '../../src/api/names.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../src/api/network-policy.ts';
import type { ControlPlane } from '../env/index.ts';
import { eventually, type Sandbox } from '../support/cluster.ts';
import { installOperator, type Operator, type Operators } from '../support/operator.ts';
import { ApiProxy } from './api-proxy.ts';
import { type Change, Changes, fingerprints, isOwn, MEMBER, serviceSpec, TENANT } from './changes.ts';
import { Judge } from '../support/judge/judge.ts';
import type { Dice } from './model.ts';
import { withRevision, type ObservedCluster, Recorder, type Revision } from './recorder.ts';
import { CACHED, type FaultContext, type Fault } from './faults.ts';

/** Time to converge after the fault has ended, milliseconds. Includes some seconds of backoff. */
const SETTLE_MS = 60_000;
/** How long nothing may be written after a fault has begun, milliseconds. */
const IDLE_MS = 250;
/** IDLE_MS for a misleading fault, as the operator reads peer sources before it would write. */
const LONG_IDLE_MS = 700;
/** Changes of a status that an earlier fault may still cause: the wrong status, and its correction. */
const STATUS_WRITES = 2;
/** How long a fault goes on after the changes, milliseconds, unless the fault says otherwise. */
const LASTS_MS = 500;
/** More requests in a round show a busy loop. A round takes about a hundred. */
const MAX_REQUESTS = 1000;

interface Setting {
  readonly plane: ControlPlane;
  readonly box: Sandbox;
  readonly namespaces: readonly string[];
  /** Uids of the foreign policies. */
  readonly foreign: ReadonlySet<string>;
  readonly judge: Judge;
  readonly recorder: Recorder;
  readonly changes: Changes;
  readonly roll: Dice;
  readonly proxy: ApiProxy;
  /** Starts an operator behind the proxy, without waiting for it. */
  readonly launch: () => Operator;
}

/**
 * Creates four namespaces, three of them with pods, two of them with foreign policies; a Service; and an operator behind a
 * proxy. The caller cleans up `box` and `operators`.
 */
export async function prepareRounds(
  plane: ControlPlane,
  box: Sandbox,
  operators: Operators,
  roll: Dice,
): Promise<Rounds> {
  const proxy = await ApiProxy.start(await installOperator(plane));
  const labels = (tenant: string) => ({ [TENANT]: tenant, [MEMBER]: 'yes' });
  const namespaces = await Promise.all(
    ['a', 'b', 'c', 'empty'].map((name, index) => box.namespace(name, labels(index % 2 ? 'red' : 'blue'))),
  );
  const [first = '', second = '', third = ''] = namespaces;
  const pods = [first, second, third].flatMap((namespace) => [
    startPod(box, { namespace, name: 'a', labels: { app: 'a' }, port: 8080 }),
    startPod(box, { namespace, name: 'b', labels: { app: 'b', tier: 'x' }, port: 9090 }),
    startPod(box, { namespace, name: 'c', labels: {}, port: 8080 }),
  ]);
  const judge = new Judge(await Promise.all(pods));
  await box.service(first, 'api', serviceSpec('a', 8080));
  const only = (app: string): NetworkPolicySpec => ({
    podSelector: { matchLabels: { app } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/25' } }] }],
  });
  const foreignPolicies = [
    await box.createPolicy(second, 'foreign', only('b')),
    await box.createPolicy(third, `${box.id}-p.ingress`, only('a')), // a name that profile p may need
  ];
  const foreign = new Set(foreignPolicies.map(({ metadata }) => metadata.uid ?? ''));
  const { recorder, observed } = await Recorder.start(plane, box, await box.namespace('marker', null));
  const known = new Map(namespaces.map((each) => [each, observed.labels.get(each) ?? {}]));
  const changes = new Changes(box, roll, known, first);
  const launch = () => operators.launch([`--kubeconfig=${proxy.kubeconfig}`, '--log-level=debug']);
  return new Rounds(
    { plane, box, namespaces, foreign, judge, recorder, changes, roll, proxy, launch },
    observed,
  );
}

export class Rounds {
  /** Totals; `requests` is the maximum of a round. */
  readonly counts = { rounds: 0, revisions: 0, transitions: 0, launches: 1, requests: 0 };
  readonly #setting: Setting;
  #operator: Operator;
  #observed: ObservedCluster;
  #story: string[] = [];
  /** The current or latest change. */
  #changing: Promise<unknown> = Promise.resolve();
  /** A resourceVersion from before the round's changes. */
  #past = '';

  constructor(setting: Setting, observed: ObservedCluster) {
    this.#setting = setting;
    this.#observed = observed;
    this.#operator = setting.launch();
  }

  /** A namespace with pods and a foreign policy. */
  get contestedNamespace(): string {
    return this.#setting.namespaces[1] ?? '';
  }

  /** The fault and the changes of the latest round. */
  story(): string {
    return `round ${this.counts.rounds}: ${this.#story.join('; ')}`;
  }

  /** @param script the changes; random changes by default */
  async round(fault?: Fault, script?: (changes: Changes) => Change[]): Promise<void> {
    const { changes, roll, proxy } = this.#setting;
    if (fault?.needsPolicies) await this.round(undefined, (all) => [all.enforce()]);
    const requests = proxy.requests;
    this.counts.rounds += 1;
    this.#story = [fault?.name ?? 'no fault'];
    if (script !== undefined) changes.begin();
    const chosen = script?.(changes) ?? changes.next(this.#observed);
    const pauses = chosen.map(() => roll(40)); // ms
    if (fault !== undefined) await this.#begin(fault);
    this.#past = await this.#setting.recorder.revision();
    for (const [index, { description, run }] of chosen.entries()) {
      this.#story.push(description);
      this.#changing = run();
      await this.#changing;
      await sleep(pauses[index]);
    }
    if (fault !== undefined && !fault.isAtWrites) {
      await sleep(fault.lastsMs ?? LASTS_MS);
      await fault.end?.(this.#context());
      proxy.heal();
    }
    await eventually(() => this.#assertConverged(), SETTLE_MS);
    proxy.heal();
    await this.#replay();
    const sent = proxy.requests - requests;
    assert.ok(sent <= MAX_REQUESTS, `${sent} requests in a round`);
    this.counts.requests = Math.max(this.counts.requests, sent);
    // An unexpected error ends the operator. A crash of Node logs text instead of JSON.
    const unexpected = this.#operator
      .lines()
      .filter(({ level, msg }) => level === 'text' || /unexpected/.test(msg));
    assert.deepEqual(unexpected, []);
  }

  async stop(): Promise<void> {
    await this.#setting.recorder.stop();
    await this.#operator.kill();
    await this.#setting.proxy.stop();
  }

  /** Begins a fault, which alone must cause no write (I3, I4, I6). */
  async #begin(fault: Fault): Promise<void> {
    const { recorder, changes, box, proxy } = this.#setting;
    const versions = () =>
      Promise.all(
        changes.existing().map(async (name) => {
          const { metadata, status } = await box.readProfile(name);
          return { resourceVersion: metadata.resourceVersion, status };
        }),
      );
    // The watches that an earlier round broke are connected again.
    await eventually(() => {
      for (const each of CACHED) assert.notDeepEqual(proxy.watches(each), [], `${each} are not watched`);
    }, SETTLE_MS);
    let before = await versions();
    await fault.begin(this.#context());
    if (fault.isAtWrites) return;
    // The previous fault may have made a status wrong: it may be written now, and corrected, but not more often.
    for (let changes = 0; ; changes++) {
      await sleep(fault.needsPolicies ? LONG_IDLE_MS : IDLE_MS);
      const written = (await recorder.take()).filter(({ kind }) => kind === 'policy');
      assert.deepEqual(textOf(written), '', 'written although nothing had changed');
      const after = await versions();
      if (fault.misleads || isDeepStrictEqual(after, before)) return;
      if (changes === STATUS_WRITES)
        assert.deepEqual(after, before, 'a status was written although nothing had changed');
      before = after;
    }
  }

  #context(): FaultContext {
    const { proxy, roll, plane } = this.#setting;
    return {
      proxy,
      roll,
      plane,
      past: this.#past,
      changed: async () => void (await this.#changing),
      operator: () => this.#operator,
      restart: async () => {
        await this.#operator.kill();
        this.#launch();
      },
      note: (line) => this.#story.push(line),
    };
  }

  #launch(): void {
    this.counts.launches += 1;
    this.#operator = this.#setting.launch();
  }

  /** Each namespace has exactly its desired policies, deleted profiles are gone, and the others are Ready (I8). */
  async #assertConverged(): Promise<void> {
    const { box, namespaces, changes } = this.#setting;
    for (const namespace of namespaces) this.#assertDesired(namespace, await box.policies(namespace));
    for (const profile of changes.deleted()) await assert.rejects(box.readProfile(profile), /404/);
    for (const profile of changes.existing()) {
      const { status, reason, message } = await box.condition(profile, 'Ready');
      assert.equal(status, 'True', `${profile}: ${reason}: ${message}`);
      const { namespaces: seen, policies } = (await box.readProfile(profile)).status ?? {};
      const counted = { matched: seen?.matched, desired: policies?.desired };
      assert.deepEqual(counted, changes.expected(profile), `the status of ${profile}`);
    }
  }

  #assertDesired(namespace: string, policies: readonly NetworkPolicy[]): void {
    const desired = this.#setting.changes.desired(namespace);
    assert.deepEqual(
      fingerprints(policies.filter(isOwn)),
      fingerprints(desired),
      `${namespace} has not settled`,
    );
  }

  async #replay(): Promise<void> {
    const { recorder, namespaces, foreign, changes, judge } = this.#setting;
    const revisions = await recorder.take();
    const references = new Map(
      namespaces.map((namespace) => {
        const before = this.#observed.policies.get(namespace) ?? [];
        const others = before.filter((each) => !isOwn(each));
        return [namespace, [before, ...changes.everDesired(namespace).map((each) => [...others, ...each])]];
      }),
    );
    if (recorder.isIncomplete) {
      recorder.isIncomplete = false;
      this.#observed = await recorder.list();
      revisions.length = 0; // only the final state can be judged
    }
    for (const revision of revisions) {
      const { kind, object, deleted, at } = revision;
      this.#observed = withRevision(this.#observed, revision);
      this.counts.revisions += 1;
      if (object.metadata.labels?.[LABEL_ROLE] === 'transition' && !deleted) this.counts.transitions += 1;
      assert.ok(
        !foreign.has(object.metadata.uid ?? ''),
        `I5, a foreign policy was written: ${textOf([revision])}`,
      );
      const touched = kind === 'policy' ? [object.metadata.namespace ?? ''] : namespaces;
      for (const namespace of touched) {
        const now = this.#observed.policies.get(namespace) ?? [];
        const known = references.get(namespace) ?? [];
        if (kind === 'policy' && changes.isUserEdit(revision)) known.push([...now]);
        const fault = judge.fault({
          namespace,
          policies: now,
          references: known,
          labels: this.#observed.labels,
        });
        if (fault !== undefined) assert.fail(`at revision ${at}: ${fault}\n${textOf(revisions)}`);
      }
    }
    for (const namespace of namespaces) {
      this.#assertDesired(namespace, this.#observed.policies.get(namespace) ?? []);
    }
  }
}

async function startPod(
  box: Sandbox,
  { namespace, name, labels, port }: Pick<Pod, 'namespace' | 'name' | 'labels'> & { readonly port: number },
): Promise<Pod> {
  const ports = [{ name: 'http', containerPort: port }];
  const { status } = await box.pod(namespace, name, labels, ports);
  return { namespace, name, labels, ports, ips: [(status as { podIP: string }).podIP] };
}

function textOf(revisions: readonly Revision[]): string {
  const lines = revisions.map(({ at, object, deleted }) => {
    const content = 'spec' in object ? object.spec : object.metadata.labels;
    const { namespace = '', name } = object.metadata;
    return `  ${at} ${deleted ? 'deleted' : 'written'} ${namespace}/${name} ${JSON.stringify(content)}`;
  });
  return lines.join('\n');
}
