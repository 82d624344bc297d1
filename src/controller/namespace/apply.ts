/** Carries out a plan, step by step, with preconditions; the store knows each write before the next one. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Step } from '../../policy/planning/plan.ts';
import type { PolicyStore } from '../../cluster-state/policies/store.ts';
import type { Send } from '../queue/request-lanes.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';

export interface ApplyContext {
  readonly namespace: string;
  readonly policies: Resource<NetworkPolicy>;
  readonly store: PolicyStore;
  readonly signal: AbortSignal;
  readonly send: Send;
  /** Called after each write, with the object as it was and as it is. */
  readonly onWrite: (step: Step, before: NetworkPolicy | undefined, after: NetworkPolicy | undefined) => void;
}

/**
 * Carries out `steps` in order. `observed` are the live objects that the plan was made from.
 *
 * @throws ApiError at the first step that fails; those before it are done, and planning anew goes on from there
 */
export async function apply(
  steps: readonly Step[],
  observed: readonly NetworkPolicy[],
  context: ApplyContext,
): Promise<void> {
  const { namespace, policies, store, signal, send, onWrite } = context;
  const live = new Map(observed.map((policy) => [policy.metadata.name, policy]));
  for (const step of steps) {
    signal.throwIfAborted();
    const name = step.verb === 'delete' ? step.name : step.policy.metadata.name;
    const before = live.get(name);
    let after: NetworkPolicy | undefined;
    if (step.verb === 'create') {
      after = await send(() => policies.create(step.policy, { signal, parse: store.parse }));
    } else {
      if (before === undefined)
        throw new Error(`step ${step.verb} of ${namespace}/${name}, which was not observed`);
      if (step.verb === 'update') {
        const metadata = { ...step.policy.metadata, ...preconditionsOf(before) };
        after = await send(() =>
          policies.replace({ ...step.policy, metadata }, { signal, parse: store.parse }),
        );
      } else {
        after = await remove(name, before, context);
        if (after === undefined) store.forget(`${namespace}/${name}`, before.metadata.uid ?? '');
      }
    }
    if (after === undefined) live.delete(name);
    else {
      live.set(name, after);
      store.observe(store.project(after));
    }
    onWrite(step, before, after);
  }
}

/** The object if it stays for somebody's finalizer; undefined once it is gone, whoever deleted it. */
async function remove(
  name: string,
  before: NetworkPolicy,
  context: ApplyContext,
): Promise<NetworkPolicy | undefined> {
  const preconditions = preconditionsOf(before);
  try {
    const { policies, namespace, signal, send } = context;
    return await send(() => policies.delete(name, namespace, { preconditions, signal }));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
