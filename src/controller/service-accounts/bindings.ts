/**
 * The bindings by which pods are labelled with their ServiceAccount and the label is kept true: reads, writes and
 * removes them, and asks the API server whether it has taken them up (src/policy/admission/accounts.ts).
 */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Clock } from '../../util/clock.ts';
import { isNotFound } from '../../kube/errors.ts';
import { Resource } from '../../kube/resource.ts';
import type { Transport } from '../../kube/http/transport.ts';
import {
  ACCOUNT_NAMES,
  type AccountAnswer,
  accountAnswer,
  accountBindingKey,
  accountProbeRequest,
  accountProbes,
  coveredBy,
  type GuardBinding,
  guardBinding,
  isAccountBinding,
  labelBinding,
  type MutatingBinding,
} from '../../policy/admission/accounts.ts';
import { digest } from '../../policy/admission/binding.ts';
import type { AccountFailureReason } from '../../policy/facts.ts';
import { dryRunRefusal } from '../admission/probe.ts';
import {
  ADMISSION_BINDINGS,
  ADMISSION_POLICIES,
  MUTATING_BINDINGS,
  MUTATING_POLICIES,
} from '../../cluster-state/items.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';

export interface AccountFailure {
  readonly reason: AccountFailureReason;
  readonly message: string;
}

/** What the API server has of it. */
export interface Standing {
  readonly label: MutatingBinding | undefined;
  readonly guard: GuardBinding | undefined;
  readonly probes: { readonly label: MutatingBinding | undefined; readonly guard: GuardBinding | undefined };
  /** Namespaces that the guard covers. */
  readonly covered: readonly string[];
}

/** How long the API server may take to take bindings up until it is taken not to: it does so every second. Milliseconds. */
const PATIENCE = 15_000;
const INSTALL = 'kubectl apply -k config/service-accounts (Kubernetes 1.36 or later)';

export class AccountBindings {
  readonly labels: Resource<MutatingBinding>;
  readonly #guards: Resource<GuardBinding>;
  readonly #mutating: Resource<KubeObject>;
  readonly #validating: Resource<KubeObject>;
  readonly #transport: Transport;
  readonly #policies: Resource<NetworkPolicy>;
  readonly #clock: Clock;
  readonly #namespace: string;
  /** The answer that is not the wanted one, and since when it has been given; monotonic milliseconds. */
  #waiting: { readonly answer: AccountAnswer; readonly since: number } | undefined;

  /** @param namespace the operator's own */
  constructor(transport: Transport, policies: Resource<NetworkPolicy>, clock: Clock, namespace: string) {
    this.labels = new Resource(transport, MUTATING_BINDINGS);
    this.#guards = new Resource(transport, ADMISSION_BINDINGS);
    this.#mutating = new Resource(transport, MUTATING_POLICIES);
    this.#validating = new Resource(transport, ADMISSION_POLICIES);
    this.#transport = transport;
    this.#policies = policies;
    this.#clock = clock;
    this.#namespace = namespace;
  }

  /** @throws ApiError */
  async read(signal: AbortSignal): Promise<Standing> {
    const [labels, guards] = await Promise.all([
      this.labels.listAll({ signal }),
      this.#guards.listAll({ signal }),
    ]);
    const find = <T extends KubeObject>(items: readonly T[], name: string) =>
      items.find(({ metadata }) => metadata.name === name);
    const guard = find(guards.items, ACCOUNT_NAMES.guard);
    return {
      label: find(labels.items, ACCOUNT_NAMES.label),
      guard,
      probes: {
        label: find(labels.items, ACCOUNT_NAMES.probe),
        guard: find(guards.items, ACCOUNT_NAMES.probe),
      },
      covered: guard !== undefined && isAccountBinding(guard) ? coveredBy(guard) : [],
    };
  }

  /**
   * What identifies the policies that the bindings bring into force, as they are installed; or what is missing.
   *
   * @throws ApiError
   */
  async installed(signal: AbortSignal): Promise<string | AccountFailure> {
    const wanted = [
      [this.#mutating, 'MutatingAdmissionPolicy', ACCOUNT_NAMES.label],
      [this.#validating, 'ValidatingAdmissionPolicy', ACCOUNT_NAMES.guard],
      [this.#mutating, 'MutatingAdmissionPolicy', ACCOUNT_NAMES.probe],
      [this.#validating, 'ValidatingAdmissionPolicy', ACCOUNT_NAMES.probe],
    ] as const;
    const found = await Promise.all(
      wanted.map(async ([resource, kind, name]) => {
        try {
          const { uid, generation } = (await resource.get(name, undefined, { signal })).metadata;
          return { id: `${uid} ${generation}` };
        } catch (error) {
          if (isNotFound(error)) return { missing: `the ${kind} ${name} is not installed: ${INSTALL}` };
          throw error;
        }
      }),
    );
    const missing = found.find((each) => each.missing !== undefined)?.missing;
    return missing === undefined ? digest(found) : { reason: 'NotInstalled', message: missing };
  }

  /** A name of ours that somebody else holds. */
  taken({ label, guard, probes }: Standing): AccountFailure | undefined {
    const theirs = [label, guard, probes.label, probes.guard].find((each) => each && !isAccountBinding(each));
    if (theirs === undefined) return undefined;
    return {
      reason: 'NameTaken',
      message: `the binding ${theirs.metadata.name} is somebody else's: remove it`,
    };
  }

  /** Makes both cover exactly `namespaces`, at least one. @throws ApiError */
  async put(namespaces: readonly string[], standing: Standing, signal: AbortSignal): Promise<Standing> {
    const label = await write(this.labels, labelBinding(namespaces), standing.label, signal);
    const guard = await write(this.#guards, guardBinding(namespaces), standing.guard, signal);
    return { ...standing, label, guard, covered: namespaces };
  }

  /** Takes them all away, the guard last. @throws ApiError */
  async remove({ label, guard, probes }: Standing, signal: AbortSignal): Promise<void> {
    await erase(this.labels, probes.label, signal);
    await erase(this.#guards, probes.guard, signal);
    await erase(this.labels, label, signal);
    await erase(this.#guards, guard, signal);
  }

  /** Names the state of bindings and policies: every change makes another. */
  stateOf({ label, guard }: Standing, installed: string): string {
    const id = (binding: KubeObject | undefined) =>
      `${binding?.metadata.uid} ${binding?.metadata.resourceVersion}`;
    return digest([id(label), id(guard), installed]);
  }

  /**
   * Whether the API server has taken up what makes up `state`. Writes what it needs to ask.
   *
   * @returns a AccountFailure where it has not for too long
   * @throws ApiError
   */
  async ask(state: string, { probes }: Standing, signal: AbortSignal): Promise<boolean | AccountFailure> {
    const wanted = accountProbes(state, this.#namespace);
    await write(this.labels, wanted.label, probes.label, signal);
    await write(this.#guards, wanted.guard, probes.guard, signal);
    const body = accountProbeRequest(state, this.#namespace);
    const answer = accountAnswer(
      await dryRunRefusal(this.#transport, this.#policies.collection(this.#namespace), body, signal),
    );
    if (answer === 'inForce') {
      this.#waiting = undefined;
      return true;
    }
    const now = this.#clock.monotonic();
    if (this.#waiting?.answer !== answer) this.#waiting = { answer, since: now };
    if (now - this.#waiting.since <= PATIENCE) return false;
    const plugin = answer === 'unlabelled' ? 'MutatingAdmissionPolicy' : 'ValidatingAdmissionPolicy';
    return {
      reason: 'NotTakenUp',
      message:
        `the API server does not take the bindings up: is its admission plugin ${plugin} disabled, or ` +
        'config/service-accounts changed?',
    };
  }
}

/** What stands afterwards; nothing is written where it says the same. */
async function write<T extends MutatingBinding | GuardBinding>(
  resource: Resource<T>,
  wanted: T,
  current: T | undefined,
  signal: AbortSignal,
): Promise<T> {
  if (current === undefined) return resource.create(wanted, { signal });
  if (accountBindingKey(current) === accountBindingKey(wanted)) return current;
  const metadata = { ...wanted.metadata, ...preconditionsOf(current) };
  return resource.replace({ ...wanted, metadata }, { signal });
}

async function erase<T extends KubeObject>(
  resource: Resource<T>,
  current: T | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (current === undefined || !isAccountBinding(current)) return;
  const preconditions = preconditionsOf(current);
  try {
    await resource.delete(current.metadata.name, undefined, { preconditions, signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
