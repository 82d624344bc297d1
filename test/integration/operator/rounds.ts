// The rounds: all has settled; something changes, and the operator may be killed; all settles again; then every
// revision in between is judged.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pod } from '../../../src/analysis/cluster.ts';
import { LABEL_ROLE } from '../../../src/api/names.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../../src/api/network-policy.ts';
import type { ControlPlane } from '../../env/index.ts';
import { eventually, type Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, type Operators } from '../../support/operator.ts';
import { Changes, form, isOurs, MEMBER, serviceSpec, TENANT } from './changes.ts';
import { Judge } from './judge.ts';
import type { Dice } from './model.ts';
import { next, type Picture, Recorder, type Revision } from './recorder.ts';

const SETTLE = 10_000; // ms

interface Setting {
  readonly box: Sandbox;
  readonly namespaces: readonly string[];
  readonly judge: Judge;
  readonly recorder: Recorder;
  readonly changes: Changes;
  readonly roll: Dice;
  /** Starts an operator; resolves at once. */
  readonly launch: () => Operator;
}

/**
 * Four namespaces, three of them with pods, two of them with somebody else's policies; a Service; an operator. `box`
 * and `operators` are the caller's to clean up.
 */
export async function prepareRounds(
  plane: ControlPlane,
  box: Sandbox,
  operators: Operators,
  roll: Dice,
): Promise<Rounds> {
  const kubeconfig = await installOperator(plane);
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
  await box.createPolicy(second, 'theirs', only('b'));
  await box.createPolicy(third, `${box.id}-p.ingress`, only('a')); // a name that profile p may need
  const { recorder, picture } = await Recorder.start(plane, box, await box.namespace('marker', null));
  const known = new Map(namespaces.map((each) => [each, picture.labels.get(each) ?? {}]));
  const changes = new Changes(box, roll, known, first);
  const launch = () => operators.launch([`--kubeconfig=${kubeconfig}`]);
  return new Rounds({ box, namespaces, judge, recorder, changes, roll, launch }, picture);
}

export class Rounds {
  /** How much was seen. */
  readonly counts = { rounds: 0, revisions: 0, transitions: 0, kills: 0 };
  readonly #setting: Setting;
  #operator: Operator;
  #picture: Picture;
  #story: string[] = [];

  constructor(setting: Setting, picture: Picture) {
    this.#setting = setting;
    this.#picture = picture;
    this.#operator = setting.launch();
  }

  /** What happened in the last round. */
  told(): string {
    return `round ${this.counts.rounds}: ${this.#story.join('; ')}`;
  }

  async round(): Promise<void> {
    const { changes, roll } = this.#setting;
    this.counts.rounds += 1;
    this.#story = [];
    const chosen = changes.next(this.#picture);
    const pauses = chosen.map(() => roll(40)); // ms
    const restart = roll(3) === 0 ? this.#killAfter(1 + roll(5)) : () => Promise.resolve();
    for (const [index, { what, run }] of chosen.entries()) {
      this.#story.push(what);
      await run();
      await sleep(pauses[index]);
    }
    await eventually(async () => {
      if (this.#operator.running) await this.#assertSettled();
    }, SETTLE);
    await restart();
    await eventually(() => this.#assertSettled(), SETTLE);
    await this.#replay();
  }

  /** Every profile says in the end that it is Ready. */
  async finish(): Promise<void> {
    const { box, changes } = this.#setting;
    await Promise.all(changes.existing().map((profile) => box.ready(profile, SETTLE)));
  }

  async stop(): Promise<void> {
    await this.#setting.recorder.stop();
    await this.#operator.kill();
  }

  /** Kills the operator once it has written so often. What is returned starts the next one, if that happened. */
  #killAfter(writes: number): () => Promise<void> {
    const { recorder, changes, launch } = this.#setting;
    let seen = 0;
    let killed: Promise<void> | undefined;
    recorder.onRevision = (revision) => {
      if (revision.kind !== 'policy' || changes.isByHand(revision)) return;
      seen += 1;
      if (seen !== writes) return;
      this.counts.kills += 1;
      this.#story.push(`killed after ${writes} writes`);
      killed = this.#operator.kill();
    };
    return async () => {
      recorder.onRevision = () => {};
      if (killed === undefined) return;
      await killed;
      this.#operator = launch();
    };
  }

  /** Each namespace holds exactly what is wanted, and profiles that were deleted are gone (I8). */
  async #assertSettled(): Promise<void> {
    const { box, namespaces, changes } = this.#setting;
    for (const namespace of namespaces) this.#assertWanted(namespace, await box.policies(namespace));
    for (const profile of changes.deleted()) await assert.rejects(box.readProfile(profile), /404/);
  }

  #assertWanted(namespace: string, policies: readonly NetworkPolicy[]): void {
    const wanted = this.#setting.changes.wanted(namespace);
    assert.deepEqual(form(policies.filter(isOurs)), form(wanted), `${namespace} has not settled`);
  }

  async #replay(): Promise<void> {
    const { recorder, namespaces, changes, judge } = this.#setting;
    const revisions = await recorder.take();
    const references = new Map(
      namespaces.map((namespace) => {
        const before = this.#picture.policies.get(namespace) ?? [];
        const foreign = before.filter((each) => !isOurs(each));
        return [namespace, [before, ...changes.everWanted(namespace).map((each) => [...foreign, ...each])]];
      }),
    );
    for (const revision of revisions) {
      const { kind, object, deleted, at } = revision;
      this.#picture = next(this.#picture, revision);
      this.counts.revisions += 1;
      if (object.metadata.labels?.[LABEL_ROLE] === 'transition' && !deleted) this.counts.transitions += 1;
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
