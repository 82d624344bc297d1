/**
 * The flows of a probe, each with a verdict: formed from the outcomes of attempts, round by round.
 *
 * - A denial counts only if an allowed flow from the same pod to the same target, by the same protocol and family, passed in
 *   the same round. A target that is down, or a network that loses packets, looks like a denial otherwise.
 * - A single round decides nothing: a leak needs two in a row, as a policy may have gone a moment before the probe knows. A cut
 *   needs three, and a target that the kubelet reports Ready.
 * - After a change of policies or of the target, the engine has `SETTLE_MS` until a difference counts.
 * - A process that takes over from an earlier one of its Pod resumes its leaks and cuts: one that still stands counts at once,
 *   with its time, as a restart is no repair.
 *
 * Pure but for the state that it keeps.
 */
import type { Protocol } from '../../api/network-policy.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { type PlannedFlow, targetId, targetName } from './matrix.ts';

/** How one attempt ended. */
export type Outcome =
  | { readonly kind: 'passed' /** The source address that the target saw. */; readonly seenAs: string }
  | { readonly kind: 'blocked'; readonly how: 'timeout' | 'refused' | 'unreachable' }
  /** Something accepted the connection and gave no answer: a proxy between the ends, or a target that is stuck. */
  | { readonly kind: 'unanswered' }
  /** Somebody else answers at the target's address. */
  | { readonly kind: 'stranger' }
  /** The attempt could not be made, for a reason on the probe's own side. */
  | { readonly kind: 'failed'; readonly message: string };

/**
 * - `passed`, `denied`: as the policies say
 * - `leaked`: passed, and must not
 * - `cut`: did not pass, and must
 * - `settling`: differs, and the engine still has time
 * - `unproven`: the attempt shows nothing
 */
export type FlowVerdict = 'passed' | 'denied' | 'leaked' | 'cut' | 'settling' | 'unproven';

export interface FlowRecord {
  readonly flow: PlannedFlow;
  readonly verdict: FlowVerdict;
  /** Since when the verdict is this one, in milliseconds of the probe's wall clock. */
  readonly since: number;
  /** True for a denial, for `PROOF_MS` also if later attempts show nothing, as while the target's process starts again. */
  readonly isProof: boolean;
  /** Why an attempt shows nothing, or how a difference looks; empty where there is nothing to say. */
  readonly detail: string;
}

/** A leak or a cut that an earlier process of the Pod has found. */
export interface Difference {
  /** The target's pod as NAMESPACE/NAME, or its address. */
  readonly to: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly family: IPFamily;
  readonly verdict: 'leaked' | 'cut';
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** How long an engine may take after a change, in milliseconds. */
export const SETTLE_MS = 30_000;
/** A denial is evidence for so long, in milliseconds: as long as a report. */
export const PROOF_MS = 60_000;
/** Rounds in a row in which a flow that must not pass has passed, before it counts as leaked. */
export const ROUNDS_BEFORE_LEAK = 2;
/** Rounds in a row in which a flow that must pass has not passed, before it counts as cut. */
export const ROUNDS_BEFORE_CUT = 3;
/** A flow that was not tried for so long is forgotten, in milliseconds: its address is gone. Targets take turns meanwhile. */
const FORGET_MS = 60 * 60_000;

interface Entry {
  record: FlowRecord;
  /** The expectation and the target's state, as one text. */
  situation: string;
  /** When the flow was last denied, as it still has to be; monotonic milliseconds. */
  deniedAt: number;
  /** Monotonic milliseconds. */
  changedAt: number;
  triedAt: number;
  /** Rounds in a row whose outcome differs from the expectation. */
  differences: number;
}

export interface Times {
  /** Wall clock, milliseconds since the epoch. */
  readonly now: number;
  readonly monotonic: number;
}

export class FlowBook {
  readonly #entries = new Map<string, Entry>();
  /** Differences of an earlier process whose flows have not been tried yet, by name of the flow. */
  readonly #resumed = new Map<string, Difference>();

  get records(): FlowRecord[] {
    return [...this.#entries.values()].map(({ record }) => record);
  }

  resume(differences: readonly Difference[]): void {
    for (const each of differences) this.#resumed.set(flowName(each.to, each), each);
  }

  /** Takes up the outcomes of one round, by key of the flow. */
  note(flows: readonly PlannedFlow[], outcomes: ReadonlyMap<string, Outcome>, times: Times): void {
    const proven = new Set(
      flows
        .filter(
          ({ key, expectation }) => expectation.verdict === 'allow' && outcomes.get(key)?.kind === 'passed',
        )
        .map(({ group }) => group),
    );
    const answering = new Set(
      flows.filter(({ key }) => outcomes.get(key)?.kind === 'passed').map(({ target }) => targetId(target)),
    );
    for (const flow of flows) {
      const outcome = outcomes.get(flow.key);
      if (outcome === undefined) continue;
      const answers = answering.has(targetId(flow.target));
      this.#noteFlow(flow, outcome, times, { hasControl: proven.has(flow.group), answers });
    }
    for (const [key, { triedAt }] of this.#entries)
      if (times.monotonic - triedAt > FORGET_MS) this.#entries.delete(key);
  }

  /** Forgets the flows to targets that are gone. @param uids pods that exist */
  keep(uids: ReadonlySet<string>): void {
    for (const [key, { record }] of this.#entries) {
      const { target } = record.flow;
      if (target.kind === 'pod' && !uids.has(target.pod.uid)) this.#entries.delete(key);
    }
  }

  #noteFlow(
    flow: PlannedFlow,
    outcome: Outcome,
    times: Times,
    of: Pick<Circumstances, 'hasControl' | 'answers'>,
  ): void {
    const { now, monotonic } = times;
    const situation = situationOf(flow);
    const known = this.#entries.get(flow.key) ?? this.#takeResumed(flow, monotonic);
    const isSame = known?.situation === situation;
    const changedAt = isSame ? known.changedAt : monotonic;
    const isDifferent = outcome.kind === (flow.expectation.verdict === 'allow' ? 'blocked' : 'passed');
    const differences = isDifferent ? (isSame ? known.differences : 0) + 1 : 0;
    const isSettled = monotonic - changedAt >= SETTLE_MS;
    const [verdict, detail] = judge(flow, outcome, { ...of, isSettled, differences });
    const since = known?.record.verdict === verdict ? known.record.since : now;
    const deniedAt = verdict === 'denied' ? monotonic : deniedBefore(known, flow, verdict);
    const record = { flow, verdict, since, isProof: monotonic - deniedAt <= PROOF_MS, detail };
    this.#entries.set(flow.key, { record, situation, deniedAt, changedAt, differences, triedAt: monotonic });
  }

  /** The entry that the earlier process had, if its difference is one of the expectation now. */
  #takeResumed(flow: PlannedFlow, monotonic: number): Entry | undefined {
    const name = flowName(targetName(flow.target), flow);
    const resumed = this.#resumed.get(name);
    this.#resumed.delete(name);
    if (resumed?.verdict !== (flow.expectation.verdict === 'allow' ? 'cut' : 'leaked')) return undefined;
    const { verdict, since } = resumed;
    return {
      record: { flow, verdict, since, isProof: false, detail: '' },
      situation: situationOf(flow),
      deniedAt: Number.NEGATIVE_INFINITY,
      changedAt: Number.NEGATIVE_INFINITY,
      triedAt: monotonic,
      differences: Math.max(ROUNDS_BEFORE_LEAK, ROUNDS_BEFORE_CUT),
    };
  }
}

/** A name of the flow that stays the same for processes of a Pod that follow each other. */
function flowName(
  to: string,
  { port, protocol, family }: Pick<PlannedFlow, 'port' | 'protocol' | 'family'>,
): string {
  return `${to} ${protocol} ${port} ${family}`;
}

/** When a flow was denied of which an attempt shows nothing now, if the same policies still have to deny it. */
function deniedBefore(known: Entry | undefined, { expectation }: PlannedFlow, verdict: FlowVerdict): number {
  const isSame = JSON.stringify(known?.record.flow.expectation) === JSON.stringify(expectation);
  return verdict === 'unproven' && isSame && known !== undefined ? known.deniedAt : Number.NEGATIVE_INFINITY;
}

/** Everything whose change gives the engine time again. */
function situationOf({ expectation, target, address }: PlannedFlow): string {
  const state = target.kind === 'pod' ? [target.pod.uid, target.pod.isReady] : [];
  return JSON.stringify([expectation.verdict, address, ...state]);
}

interface Circumstances {
  readonly isSettled: boolean;
  readonly differences: number;
  /** True if an allowed flow of the same group passed in this round. */
  readonly hasControl: boolean;
  /** True if the target answered any flow of this round. */
  readonly answers: boolean;
}

function judge(
  { expectation, target }: PlannedFlow,
  outcome: Outcome,
  { isSettled, differences, hasControl, answers }: Circumstances,
): [FlowVerdict, string] {
  switch (outcome.kind) {
    case 'failed':
      return ['unproven', outcome.message];
    case 'stranger':
      return ['unproven', 'another process answers at this address'];
    case 'unanswered':
      return ['unproven', 'the connection is accepted and not answered: a proxy is between the pods'];
    case 'passed':
      if (expectation.verdict === 'allow') return ['passed', ''];
      return [
        isSettled && differences >= ROUNDS_BEFORE_LEAK ? 'leaked' : 'settling',
        outcome.seenAs === '' ? '' : `the target saw the source ${outcome.seenAs}`,
      ];
    case 'blocked':
      if (expectation.verdict === 'deny')
        return hasControl ? ['denied', ''] : ['unproven', 'no allowed flow to the same target passes'];
      if (target.kind === 'address') return ['unproven', `no answer (${outcome.how})`];
      if (!target.pod.isReady) return ['unproven', 'the target is not Ready'];
      // A refusal on every port comes from the target's own node: its process is down.
      if (outcome.how === 'refused' && !answers) return ['unproven', 'nothing listens at the target'];
      return [isSettled && differences >= ROUNDS_BEFORE_CUT ? 'cut' : 'settling', outcome.how];
  }
}
