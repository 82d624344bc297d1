/** Carries out a plan, step by step, with preconditions; the store knows each write before the next one. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { PolicyStore } from '../../cluster-state/policies/store.ts';
import { isNotFound } from '../../kube/errors.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Step } from '../../policy/planning/plan.ts';
import type { PolicyWrite } from '../observer.ts';
import type { Send } from '../queue/request-lanes.ts';
import type { NamespaceRecord } from './record.ts';

export interface ApplyContext {
  readonly namespace: string;
  readonly policies: Resource<NetworkPolicy>;
  readonly store: PolicyStore;
  readonly signal: AbortSignal;
  readonly send: Send;
  readonly record: Pick<NamespaceRecord, 'beginWrite' | 'endWrite' | 'failWrite'>;
  /** Called if somebody else changed a policy while it was being written. */
  readonly onDrift: () => void;
  /** Called after each write. */
  readonly onWrite: (write: Omit<PolicyWrite, 'isDriftOnly'>) => void;
  /** Called, and awaited, before each step and after the last one, with the number of steps that are done. */
  readonly between?: (done: number) => Promise<void>;
}

/**
 * Carries out `steps` in order. `observed` are the policies that the plan was made from.
 *
 * @throws ApiError at the first step that fails; those before it are done, and a new plan goes on from there
 */
export async function apply(
  steps: readonly Step[],
  observed: readonly NetworkPolicy[],
  context: ApplyContext,
): Promise<void> {
  const { store, signal, onWrite, between } = context;
  const live = new Map(observed.map((policy) => [policy.metadata.name, policy]));
  for (const [done, step] of steps.entries()) {
    await between?.(done);
    signal.throwIfAborted();
    const name = nameOf(step);
    const before = live.get(name);
    const after = await writeAmongEvents(step, before, context);
    if (after === undefined) live.delete(name);
    else {
      live.set(name, after);
      store.observe(store.project(after));
    }
    onWrite({ step, before, after });
  }
  await between?.(steps.length);
}

/** Writes a step. Events of the policy that come before the answer are drift, unless they are of this write. */
async function writeAmongEvents(
  step: Step,
  before: NetworkPolicy | undefined,
  context: ApplyContext,
): Promise<NetworkPolicy | undefined> {
  const { record, onDrift } = context;
  record.beginWrite(nameOf(step));
  try {
    const after = await write(step, before, context);
    if (record.endWrite(after?.metadata.resourceVersion)) onDrift();
    return after;
  } catch (error) {
    if (record.failWrite()) onDrift();
    throw error;
  }
}

function nameOf(step: Step): string {
  return step.verb === 'delete' ? step.name : step.policy.metadata.name;
}

/** Policies that stay as they were listed have no type of their own. */
const TYPE = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' } as const;

/** @returns the policy after the step; undefined if it is gone */
function write(
  step: Step,
  before: NetworkPolicy | undefined,
  context: ApplyContext,
): Promise<NetworkPolicy | undefined> {
  const { namespace, policies, store, signal, send } = context;
  const options = { signal, readObject: store.readObject };
  if (step.verb === 'create') return send(() => policies.create(step.policy, options));
  const name = nameOf(step);
  if (before === undefined)
    throw new Error(`step ${step.verb} of ${namespace}/${name}, which was not observed`);
  if (step.verb === 'delete') return remove(name, before, context);
  const metadata = { ...step.policy.metadata, ...preconditionsOf(before) };
  return send(() => policies.replace({ ...step.policy, ...TYPE, metadata }, options));
}

/** @returns the policy if it stays for a finalizer; undefined once it is gone, whoever deleted it */
async function remove(
  name: string,
  before: NetworkPolicy,
  { namespace, policies, store, signal, send }: ApplyContext,
): Promise<NetworkPolicy | undefined> {
  const options = { preconditions: preconditionsOf(before), signal };
  let after: NetworkPolicy | undefined;
  try {
    after = await send(() => policies.delete(name, namespace, options));
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  if (after === undefined) store.forget(`${namespace}/${name}`, before.metadata.uid ?? '');
  return after;
}
