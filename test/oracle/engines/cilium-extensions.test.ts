/**
 * NetworkPolicies and CiliumNetworkPolicies of generated profiles, judged by Cilium's own policy engine: a state allows what
 * the profile means, and each write on the way from one profile to another is neither wider (I1) nor cuts (I2).
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { CILIUM_EXTENSIONS } from '../../../src/engines/cilium/extensions.ts';
import { planExtensions } from '../../../src/engines/extensions/plan.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { compile } from '../../../src/policy/compile.ts';
import { plan, type Step } from '../../../src/policy/planning/plan.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { facts, ownerByLabels } from '../../policy/fixture.ts';
import { type CiliumJudge, ciliumJudge, flowText, type Judgement, type Question } from './cilium-judge.ts';
import { cluster, ENDS, FLOWS, type Intent, intents, means, PODS, SHOP } from './extension-world.ts';
import { cases, SEED } from './scale.ts';

const CHANGES = cases(10);

/** The objects in the namespace, by name. */
interface State {
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  readonly extensions: ReadonlyMap<string, KubeObject>;
}
const NOTHING: State = { policies: new Map(), extensions: new Map() };

type Write = { readonly base: Step } | { readonly extension: ObjectStep };

/** A change of intent, and the states that its writes pass through. */
interface Change {
  readonly old: Intent;
  readonly next: Intent;
  readonly states: readonly [State, ...State[]];
}

/** The writes that lead to the intent, in order. */
function writesTo({ profile, accounts }: Intent, { policies, extensions }: State): Write[] {
  const compiled =
    profile === undefined
      ? { policies: [], extensions: [] }
      : compile(profile, SHOP, facts(cluster(accounts)));
  const { widen, narrow } = planExtensions([...extensions.values()], compiled.extensions, {
    engine: CILIUM_EXTENSIONS,
    ownerOf: () => 'segmented',
    kept: new Set(),
  });
  const base = plan([...policies.values()], compiled.policies, { hasPods: true, ownerOf: ownerByLabels });
  return [
    ...widen.map((extension) => ({ extension })),
    ...base.steps.map((step) => ({ base: step })),
    ...narrow.map((extension) => ({ extension })),
  ];
}

function written({ policies, extensions }: State, write: Write): State {
  if ('base' in write) {
    const next = new Map(policies);
    if (write.base.verb === 'delete') next.delete(write.base.name);
    else next.set(write.base.policy.metadata.name, write.base.policy);
    return { policies: next, extensions };
  }
  const next = new Map(extensions);
  const { extension } = write;
  if (extension.verb === 'delete') next.delete(extension.before.metadata.name);
  else next.set(extension.object.metadata.name, extension.object);
  return { policies, extensions: next };
}

function changeOf([old, next]: [Intent, Intent]): Change {
  const start = writesTo(old, NOTHING).reduce(written, NOTHING);
  const states: [State, ...State[]] = [start];
  for (const write of writesTo(next, start)) states.push(written(states.at(-1) ?? start, write));
  return { old, next, states };
}

function questionOf({ policies, extensions }: State): Question {
  return {
    pods: PODS,
    ends: Object.entries(ENDS).map(([name, labels]) => ({ name, labels })),
    policies: [...policies.values(), ...extensions.values()],
    flows: FLOWS,
  };
}

function textOf({ old, next, states }: Change): string {
  const at = states.map(({ policies, extensions }) => [[...policies.values()], [...extensions.values()]]);
  return JSON.stringify({ old, next, at });
}

/** @returns the number of flows that only extensions can have allowed at the end */
function assertNeitherWiderNorCut(change: Change, judged: readonly Judgement[]): number {
  const { old, next } = change;
  for (const { refused } of judged) assert.deepEqual(refused, [], textOf(change));
  const [first, last] = [judged[0]?.verdicts ?? [], judged.at(-1)?.verdicts ?? []];
  let byExtension = 0;
  for (const [index, flow] of FLOWS.entries()) {
    const text = () => `${flowText(flow)}: ${textOf(change)}`;
    assert.equal(first[index], means(old, flow), `before, ${text()}`);
    assert.equal(last[index], means(next, flow), `after, ${text()}`);
    for (const { verdicts } of judged) {
      if (verdicts[index]) assert.ok(first[index] || last[index], `I1, ${text()}`);
      else assert.ok(!(first[index] && last[index]), `I2, ${text()}`);
    }
    const isCarried = /apiserver|node|ingress|payments|supplier|old/.test(flowText(flow));
    if (last[index] && next.profile !== undefined && isCarried) byExtension += 1;
  }
  return byExtension;
}

/** From any prefix, after a crash, planning anew leads to the same objects. */
function assertEndsAlikeFromAnyState(change: Change): void {
  const { next, states } = change;
  const names = ({ extensions }: State) => [...extensions.keys()].sort();
  for (const state of states) {
    const end = writesTo(next, state).reduce(written, state);
    assert.deepEqual(writesTo(next, end), [], textOf(change));
    assert.deepEqual(names(end), names(states.at(-1) ?? NOTHING), textOf(change));
  }
}

(goIsThere ? describe : describe.skip)(`extensions on Cilium${skippedWithoutGo}`, () => {
  let judge: CiliumJudge;

  before(async function () {
    this.timeout('30m');
    judge = await ciliumJudge();
  });

  it(`allow what profiles mean, and are neither wider nor cut at any write, in ${CHANGES} changes (seed ${SEED})`, function () {
    this.timeout('20m');
    const changes = fc.sample(fc.tuple(intents, intents), { numRuns: CHANGES, seed: SEED }).map(changeOf);
    const answers = judge(changes.flatMap(({ states }) => states.map(questionOf)));
    let [at, byExtension] = [0, 0];
    for (const change of changes) {
      byExtension += assertNeitherWiderNorCut(change, answers.slice(at, (at += change.states.length)));
      assertEndsAlikeFromAnyState(change);
    }
    assert.ok(byExtension > 50, `${byExtension} flows are allowed by extensions`);
  });
});
