// The rounds: all has settled; trouble begins, and nothing is to be written for it; something changes; the trouble
// ends; all settles again; then every revision in between is judged.
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
import { type Change, Changes, form, isOurs, MEMBER, serviceSpec, TENANT } from './changes.ts';
import { Judge } from '../support/judge.ts';
import type { Dice } from './model.ts';
import { next, type Picture, Recorder, type Revision } from './recorder.ts';
import { CACHED, type Field, type Trouble } from './troubles.ts';

/** Longest time until all is as wanted once the trouble has ended, milliseconds: what backs off waits some seconds. */
const SETTLE = 60_000;
/** For how long the operator is watched while there is trouble and nothing to do. */
const IDLE = 250; // ms
/** The same where it is misled: it first has to read what peers are resolved from. */
/** So many changes of a status may come from trouble that is over. */
const TOLD_AND_TAKEN_BACK = 2;
const LONG_IDLE = 700; // ms
/** For how long trouble goes on after the changes, unless it says otherwise. */
const LASTS = 500; // ms
/** More requests in a round are a busy loop. Without one it takes about a hundred. */
const MOST_REQUESTS = 1000;

interface Setting {
  readonly plane: ControlPlane;
  readonly box: Sandbox;
  readonly namespaces: readonly string[];
  /** Uids of policies of somebody else. */
  readonly foreign: ReadonlySet<string>;
  readonly judge: Judge;
  readonly recorder: Recorder;
  readonly changes: Changes;
  readonly roll: Dice;
  readonly proxy: ApiProxy;
  /** Starts an operator behind the proxy; resolves at once. */
  readonly launch: () => Operator;
}

/**
 * Four namespaces, three of them with pods, two of them with somebody else's policies; a Service; an operator behind a
 * proxy. `box` and `operators` are the caller's to clean up.
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
    startPod(box, namespace, 'a', { app: 'a' }, 8080),
    startPod(box, namespace, 'b', { app: 'b', tier: 'x' }, 9090),
    startPod(box, namespace, 'c', {}, 8080),
  ]);
  const judge = new Judge(await Promise.all(pods));
  await box.service(first, 'api', serviceSpec('a', 8080));
  const only = (app: string): NetworkPolicySpec => ({
    podSelector: { matchLabels: { app } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/25' } }] }],
  });
  const theirs = [
    await box.createPolicy(second, 'theirs', only('b')),
    await box.createPolicy(third, `${box.id}-p.ingress`, only('a')), // a name that profile p may need
  ];
  const foreign = new Set(theirs.map(({ metadata }) => metadata.uid ?? ''));
  const { recorder, picture } = await Recorder.start(plane, box, await box.namespace('marker', null));
  const known = new Map(namespaces.map((each) => [each, picture.labels.get(each) ?? {}]));
  const changes = new Changes(box, roll, known, first);
  const launch = () => operators.launch([`--kubeconfig=${proxy.kubeconfig}`, '--log-level=debug']);
  return new Rounds(
    { plane, box, namespaces, foreign, judge, recorder, changes, roll, proxy, launch },
    picture,
  );
}

export class Rounds {
  /** How much was seen; `requests`: the most in one round. */
  readonly counts = { rounds: 0, revisions: 0, transitions: 0, launches: 1, requests: 0 };
  readonly #setting: Setting;
  #operator: Operator;
  #picture: Picture;
  #story: string[] = [];
  /** The change that is being made, or was made last. */
  #changing: Promise<unknown> = Promise.resolve();
  /** A revision from before the latest changes. */
  #past = '';

  constructor(setting: Setting, picture: Picture) {
    this.#setting = setting;
    this.#picture = picture;
    this.#operator = setting.launch();
  }

  /** A namespace with pods, and with somebody else's policy. */
  get crowded(): string {
    return this.#setting.namespaces[1] ?? '';
  }

  /** What happened in the last round. */
  told(): string {
    return `round ${this.counts.rounds}: ${this.#story.join('; ')}`;
  }

  /** @param script what changes; at random without it */
  async round(trouble?: Trouble, script?: (changes: Changes) => Change[]): Promise<void> {
    const { changes, roll, proxy } = this.#setting;
    if (trouble?.needsPolicies) await this.round(undefined, (all) => [all.enforce()]);
    const requests = proxy.requests;
    this.counts.rounds += 1;
    this.#story = [trouble?.name ?? 'no trouble'];
    if (script !== undefined) changes.begin();
    const chosen = script?.(changes) ?? changes.next(this.#picture);
    const pauses = chosen.map(() => roll(40)); // ms
    if (trouble !== undefined) await this.#idle(trouble);
    this.#past = await this.#setting.recorder.revision();
    for (const [index, { what, run }] of chosen.entries()) {
      this.#story.push(what);
      this.#changing = run();
      await this.#changing;
      await sleep(pauses[index]);
    }
    if (trouble !== undefined && !trouble.atWrites) {
      await sleep(trouble.lastsMs ?? LASTS);
      await trouble.end?.(this.#field());
      proxy.heal();
    }
    await eventually(() => this.#assertSettled(), SETTLE);
    proxy.heal();
    await this.#replay();
    const asked = proxy.requests - requests;
    assert.ok(asked <= MOST_REQUESTS, `${asked} requests in a round`);
    this.counts.requests = Math.max(this.counts.requests, asked);
    // What the operator can't explain ends it, and is no JSON if it is a crash.
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

  /** Trouble alone changes nothing (I3, I4, I6). */
  async #idle(trouble: Trouble): Promise<void> {
    const { recorder, changes, box, proxy } = this.#setting;
    const versions = () =>
      Promise.all(
        changes.existing().map(async (name) => {
          const { metadata, status } = await box.readProfile(name);
          return { resourceVersion: metadata.resourceVersion, status };
        }),
      );
    // What an earlier round broke is connected again: this trouble is judged by itself.
    await eventually(() => {
      for (const each of CACHED) assert.notDeepEqual(proxy.watches(each), [], `${each} are not watched`);
    }, SETTLE);
    let before = await versions();
    await trouble.begin(this.#field());
    if (trouble.atWrites) return;
    // What the last round's trouble made a status say may be told only now, and is taken back after that; but not again.
    for (let changes = 0; ; changes++) {
      await sleep(trouble.needsPolicies ? LONG_IDLE : IDLE);
      const written = (await recorder.take()).filter(({ kind }) => kind === 'policy');
      assert.deepEqual(told(written), '', 'written although nothing had changed');
      const after = await versions();
      if (trouble.blinds || isDeepStrictEqual(after, before)) return;
      if (changes === TOLD_AND_TAKEN_BACK)
        assert.deepEqual(after, before, 'profiles are written for no reason');
      before = after;
    }
  }

  #field(): Field {
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
      tell: (what) => this.#story.push(what),
    };
  }

  #launch(): void {
    this.counts.launches += 1;
    this.#operator = this.#setting.launch();
  }

  /**
   * Each namespace holds exactly what is wanted, profiles that were deleted are gone, and the others are Ready (I8).
   */
  async #assertSettled(): Promise<void> {
    const { box, namespaces, changes } = this.#setting;
    for (const namespace of namespaces) this.#assertWanted(namespace, await box.policies(namespace));
    for (const profile of changes.deleted()) await assert.rejects(box.readProfile(profile), /404/);
    for (const profile of changes.existing()) {
      const { status, reason, message } = await box.condition(profile, 'Ready');
      assert.equal(status, 'True', `${profile}: ${reason}: ${message}`);
      const { namespaces: seen, policies } = (await box.readProfile(profile)).status ?? {};
      const counted = { matched: seen?.matched, desired: policies?.desired };
      assert.deepEqual(counted, changes.expected(profile), `the status of ${profile}`);
    }
  }

  #assertWanted(namespace: string, policies: readonly NetworkPolicy[]): void {
    const wanted = this.#setting.changes.wanted(namespace);
    assert.deepEqual(form(policies.filter(isOurs)), form(wanted), `${namespace} has not settled`);
  }

  async #replay(): Promise<void> {
    const { recorder, namespaces, foreign, changes, judge } = this.#setting;
    const revisions = await recorder.take();
    const references = new Map(
      namespaces.map((namespace) => {
        const before = this.#picture.policies.get(namespace) ?? [];
        const others = before.filter((each) => !isOurs(each));
        return [namespace, [before, ...changes.everWanted(namespace).map((each) => [...others, ...each])]];
      }),
    );
    if (recorder.missed) {
      recorder.missed = false;
      this.#picture = await recorder.picture();
      revisions.length = 0; // the end is judged
    }
    for (const revision of revisions) {
      const { kind, object, deleted, at } = revision;
      this.#picture = next(this.#picture, revision);
      this.counts.revisions += 1;
      if (object.metadata.labels?.[LABEL_ROLE] === 'transition' && !deleted) this.counts.transitions += 1;
      assert.ok(!foreign.has(object.metadata.uid ?? ''), `I5, not ours to write: ${told([revision])}`);
      const touched = kind === 'policy' ? [object.metadata.namespace ?? ''] : namespaces;
      for (const namespace of touched) {
        const now = this.#picture.policies.get(namespace) ?? [];
        const known = references.get(namespace) ?? [];
        if (kind === 'policy' && changes.isByHand(revision)) known.push([...now]);
        const fault = judge.fault(namespace, now, known, this.#picture.labels);
        if (fault !== undefined) assert.fail(`at revision ${at}: ${fault}\n${told(revisions)}`);
      }
    }
    for (const namespace of namespaces) {
      this.#assertWanted(namespace, this.#picture.policies.get(namespace) ?? []);
    }
  }
}

async function startPod(
  box: Sandbox,
  namespace: string,
  name: string,
  labels: Record<string, string>,
  containerPort: number,
): Promise<Pod> {
  const ports = [{ name: 'http', containerPort }];
  const { status } = await box.pod(namespace, name, labels, ports);
  return { namespace, name, labels, ports, ips: [(status as { podIP: string }).podIP] };
}

function told(revisions: readonly Revision[]): string {
  const lines = revisions.map(({ at, object, deleted }) => {
    const content = 'spec' in object ? object.spec : object.metadata.labels;
    const { namespace = '', name } = object.metadata;
    return `  ${at} ${deleted ? 'deleted' : 'written'} ${namespace}/${name} ${JSON.stringify(content)}`;
  });
  return lines.join('\n');
}
