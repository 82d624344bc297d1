/**
 * Measures how long enforcement takes: creates a NetworkPolicy that allows one more port to pods outside, and deletes it
 * again. It isolates nothing and opens nothing but that port of the canary's own pods.
 */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { isAlreadyExists, isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { type Clock, sleep } from '../../util/clock.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import { flippedFlows, type PlannedFlow, type Surroundings } from '../model/matrix.ts';
import { FLIPPED_POLICY, FLIPPED_PORT, INSIDE, LABEL_CANARY, OUTSIDE } from '../model/names.ts';
import type { Attempt } from './attempt.ts';

/** A change takes longer than can be measured if it shows no effect for so long, in milliseconds. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 100;
/** Attempts in a row that must agree: one lost packet is no denial. */
const AGREEING = 2;

export type Change = 'allow' | 'deny';

export interface FlipOptions {
  readonly policies: Pick<Resource<NetworkPolicy>, 'create' | 'delete'>;
  readonly attempt: Attempt;
  readonly clock: Clock;
  /** Called for each target: `latencyMs` is undefined if the change showed no effect in time. */
  readonly onMeasured: (change: Change, latencyMs: number | undefined) => void;
}

const POLICY: NetworkPolicy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: FLIPPED_POLICY, namespace: INSIDE },
  spec: {
    podSelector: { matchLabels: { [LABEL_CANARY]: 'inside' } },
    policyTypes: ['Ingress'],
    ingress: [
      {
        from: [{ namespaceSelector: { matchLabels: { [LABEL_NAMESPACE_NAME]: OUTSIDE } } }],
        ports: [{ protocol: 'TCP', port: FLIPPED_PORT }],
      },
    ],
  },
};

/**
 * True if this probe is the one that flips, and there is something to measure. It is the first probe outside, so that no two of
 * them disturb each other.
 */
export function flips(surroundings: Surroundings): boolean {
  const { self, pods } = surroundings;
  const outside = pods.filter(({ side, isReady }) => side === 'outside' && isReady).map(({ name }) => name);
  return (
    self.side === 'outside' && outside.sort()[0] === self.name && measurableFlows(surroundings).length > 0
  );
}

/**
 * Creates the policy, waits for its effect on each target, deletes it, and waits again.
 *
 * @throws ApiError if the policy can't be written
 */
export async function flip(
  surroundings: Surroundings,
  options: FlipOptions,
  signal: AbortSignal,
): Promise<void> {
  const flows = measurableFlows(surroundings);
  await remove(options);
  // Where the port is not closed to begin with, a change of it shows nothing.
  const closed = await observe('deny', flows, { ...options, onMeasured: () => {} }, signal);
  if (closed.length === 0) return;
  let opened: readonly PlannedFlow[] = [];
  try {
    await options.policies.create(POLICY);
    opened = await observe('allow', closed, options, signal);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  } finally {
    await remove(options);
  }
  await observe('deny', opened, options, signal);
}

/**
 * The flows that only the ingress of their Ready target denies, so that the flipped policy decides about them: a foreign policy
 * may allow or deny the port whether or not it exists.
 */
function measurableFlows(surroundings: Surroundings): PlannedFlow[] {
  const policies = surroundings.policies.filter(({ metadata }) => metadata.name !== FLIPPED_POLICY);
  const targets = surroundings.pods.filter(({ side, isReady }) => side === 'inside' && isReady);
  return flippedFlows({ ...surroundings, policies }, targets).filter(
    ({ expectation }) => expectation.verdict === 'deny' && expectation.by.join() === 'Ingress',
  );
}

async function remove({ policies }: FlipOptions): Promise<void> {
  try {
    await policies.delete(FLIPPED_POLICY, INSIDE);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Waits until every flow is as the change asks for, and returns those that became so in time. */
async function observe(
  change: Change,
  flows: readonly PlannedFlow[],
  options: FlipOptions,
  signal: AbortSignal,
): Promise<PlannedFlow[]> {
  const { clock, onMeasured } = options;
  const began = clock.monotonic();
  const measured = await Promise.all(
    flows.map(async (flow) => {
      const effectAt = await effectAfter(change, flow, options, signal);
      if (!signal.aborted) onMeasured(change, effectAt === undefined ? undefined : effectAt - began);
      return effectAt === undefined ? [] : [flow];
    }),
  );
  return measured.flat();
}

/** When the first of the agreeing attempts began; monotonic milliseconds. */
async function effectAfter(
  change: Change,
  flow: PlannedFlow,
  { attempt, clock }: FlipOptions,
  signal: AbortSignal,
): Promise<number | undefined> {
  const until = clock.monotonic() + PATIENCE_MS;
  let agreeing: number[] = [];
  while (clock.monotonic() < until && !signal.aborted) {
    const began = clock.monotonic();
    const { kind } = await attempt(flow);
    const isAsWanted = change === 'allow' ? kind === 'passed' : kind === 'blocked';
    agreeing = isAsWanted ? [...agreeing, began] : [];
    if (agreeing.length >= AGREEING || (isAsWanted && change === 'allow')) return agreeing[0];
    await sleep(clock, RETRY_MS, signal);
  }
  return undefined;
}
