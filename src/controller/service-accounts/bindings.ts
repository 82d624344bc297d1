/**
 * The bindings by which the API server labels pods with their ServiceAccount and keeps that label true
 * (src/policy/admission/accounts.ts): read, written and deleted here.
 */
import type { KubeObject, ObjectMeta } from '../../api/meta.ts';
import {
  ADMISSION_BINDINGS,
  ADMISSION_POLICIES,
  MUTATING_BINDINGS,
  MUTATING_POLICIES,
} from '../../cluster-state/items.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import {
  ACCOUNT_NAMES,
  type AccountBinding,
  type AccountBindingPair,
  accountBindingKey,
  coveredBy,
  type GuardBinding,
  isAccountBinding,
  type MutatingBinding,
  notInstalled,
} from '../../policy/admission/accounts.ts';
import { digest } from '../../policy/admission/binding.ts';
import type { AccountFailure } from '../../policy/facts.ts';
import { deleteObject, writeObject } from '../admission/object-writes.ts';

/** A pair of bindings of which each may be absent. */
export type ObservedPair = Partial<AccountBindingPair>;

/** The bindings as the API server last returned them. */
export interface ObservedAccountBindings extends ObservedPair {
  readonly probe: ObservedPair;
}

export type InstalledPolicies =
  /** `id` changes whenever somebody changes the policies. */
  | { readonly kind: 'installed'; readonly id: string }
  | { readonly kind: 'missing'; readonly failure: AccountFailure };

export class AccountBindings {
  readonly labels: Resource<MutatingBinding>;
  readonly guards: Resource<GuardBinding>;
  readonly #mutatingPolicies: Resource<KubeObject>;
  readonly #validatingPolicies: Resource<KubeObject>;

  constructor(transport: Transport) {
    this.labels = new Resource(transport, MUTATING_BINDINGS);
    this.guards = new Resource(transport, ADMISSION_BINDINGS);
    this.#mutatingPolicies = new Resource(transport, MUTATING_POLICIES);
    this.#validatingPolicies = new Resource(transport, ADMISSION_POLICIES);
  }

  /** @throws ApiError */
  async read(signal: AbortSignal): Promise<ObservedAccountBindings> {
    const reads = [this.labels.listAll({ signal }), this.guards.listAll({ signal })] as const;
    // If both fail, always the same failure is reported, and not the one that is answered first.
    await Promise.allSettled(reads);
    const [labels, guards] = await Promise.all(reads);
    const pair = (ofLabel: string, ofGuard: string): ObservedPair => {
      const label = labels.items.find(({ metadata }) => metadata.name === ofLabel);
      const guard = guards.items.find(({ metadata }) => metadata.name === ofGuard);
      return { ...(label && { label }), ...(guard && { guard }) };
    };
    return {
      ...pair(ACCOUNT_NAMES.label, ACCOUNT_NAMES.guard),
      probe: pair(ACCOUNT_NAMES.probe, ACCOUNT_NAMES.probe),
    };
  }

  /** Reads the policies of config/service-accounts, without which bindings have no effect. @throws ApiError */
  async installedPolicies(signal: AbortSignal): Promise<InstalledPolicies> {
    const policies = [
      [this.#mutatingPolicies, 'MutatingAdmissionPolicy', ACCOUNT_NAMES.label],
      [this.#validatingPolicies, 'ValidatingAdmissionPolicy', ACCOUNT_NAMES.guard],
      [this.#mutatingPolicies, 'MutatingAdmissionPolicy', ACCOUNT_NAMES.probe],
      [this.#validatingPolicies, 'ValidatingAdmissionPolicy', ACCOUNT_NAMES.probe],
    ] as const;
    const found = await Promise.all(
      policies.map(async ([resource, kind, name]) => {
        const policy = await find(resource, name, signal);
        return policy ? { id: `${policy.uid} ${policy.generation}` } : { missing: `${kind} ${name}` };
      }),
    );
    const missing = found.find((each) => each.missing !== undefined)?.missing;
    if (missing === undefined) return { kind: 'installed', id: digest(found) };
    return { kind: 'missing', failure: notInstalled(missing) };
  }

  /**
   * Creates both bindings of the pair, or updates those that differ.
   *
   * @param beforeWrite called before each request that changes a binding
   * @returns the pair as stored
   * @throws ApiError
   */
  async write(
    desired: AccountBindingPair,
    observed: ObservedPair,
    beforeWrite: () => void,
    signal: AbortSignal,
  ): Promise<ObservedPair> {
    const pair: { label?: MutatingBinding; guard?: GuardBinding } = { ...observed };
    if (differs(desired.label, observed.label)) {
      beforeWrite();
      pair.label = await writeObject(this.labels, desired.label, observed.label, signal);
    }
    if (differs(desired.guard, observed.guard)) {
      beforeWrite();
      pair.guard = await writeObject(this.guards, desired.guard, observed.guard, signal);
    }
    return pair;
  }

  /** Deletes the own bindings, the guard last. @throws ApiError */
  async delete({ label, guard, probe }: ObservedAccountBindings, signal: AbortSignal): Promise<void> {
    for (const [resource, binding] of [
      [this.labels, probe.label],
      [this.guards, probe.guard],
      [this.labels, label],
      [this.guards, guard],
    ] as const) {
      if (binding !== undefined && isAccountBinding(binding))
        await deleteObject(resource as Resource<KubeObject>, binding, signal);
    }
  }
}

/** The failure if a foreign binding holds a name that the operator needs. */
export function nameFailure(observed: ObservedAccountBindings): AccountFailure | undefined {
  const foreign = all(observed).find((each) => !isAccountBinding(each));
  if (foreign === undefined) return undefined;
  const { name } = foreign.metadata;
  const message = `the binding ${name} is foreign and has a name that the operator needs: delete it`;
  return { reason: 'NameTaken', message };
}

/** True if any binding exists, whoever created it. */
export function exists(observed: ObservedAccountBindings): boolean {
  return all(observed).length > 0;
}

/** The namespaces that the guard covers. */
export function coveredNamespaces({ guard }: ObservedPair): readonly string[] {
  return guard !== undefined && isAccountBinding(guard) ? coveredBy(guard) : [];
}

/** The state of bindings and policies: every write makes another one. */
export function stateOf({ label, guard }: ObservedPair, policies: string): string {
  const id = (binding: KubeObject | undefined) =>
    `${binding?.metadata.uid} ${binding?.metadata.resourceVersion}`;
  return digest([id(label), id(guard), policies]);
}

function all({ label, guard, probe }: ObservedAccountBindings): KubeObject[] {
  return [label, guard, probe.label, probe.guard].filter((each) => each !== undefined);
}

function differs(desired: AccountBinding, observed: AccountBinding | undefined): boolean {
  return observed === undefined || accountBindingKey(observed) !== accountBindingKey(desired);
}

/** The metadata of the object; undefined if there is none. @throws ApiError */
async function find(
  resource: Resource<KubeObject>,
  name: string,
  signal: AbortSignal,
): Promise<ObjectMeta | undefined> {
  try {
    return (await resource.get(name, undefined, { signal })).metadata;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
