/** Asks the API server which bindings it has taken up; how that works is told in src/policy/admission/probe.ts. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Clock } from '../../util/clock.ts';
import { ApiError } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { type AdmissionBinding, bindingKey, isOwnBinding } from '../../policy/admission/binding.ts';
import {
  LABEL_STATE,
  PARAMETER_NAME,
  type ProbeAnswer,
  probeAnswer,
  probeBinding,
  probeParameter,
  probeRequest,
} from '../../policy/admission/probe.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';

export interface ProbeOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly bindings: Resource<AdmissionBinding>;
  readonly policies: Resource<NetworkPolicy>;
  /** The operator's own: where the parameter stands. */
  readonly namespace: string;
}

/** How long the cache of parameters may be behind until it is taken for stopped: it follows within milliseconds. */
const PATIENCE = 5_000;
/** How long the API server may take to take bindings up until it is taken not to: it does so every second. Milliseconds. */
const LONG_PATIENCE = 15_000;

export class Probe {
  readonly #options: ProbeOptions;
  /** The answer that is not the wanted one, and since when it has been given; monotonic milliseconds. */
  #waiting: { readonly answer: ProbeAnswer; readonly since: number } | undefined;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  /**
   * Whether the API server has taken up the bindings that make up `state`. Writes what it needs to ask.
   *
   * @param standing the probe's binding as it is
   * @returns `stopped`: the cache of parameters does not follow any more; `ignored`: nothing is taken up
   * @throws ApiError
   */
  async ask(
    state: string,
    standing: AdmissionBinding | undefined,
    signal: AbortSignal,
  ): Promise<ProbeAnswer | 'stopped' | 'ignored'> {
    const { bindings, clock, namespace } = this.#options;
    const wanted = probeBinding(state, namespace);
    if (standing === undefined) {
      await this.#writeParameter(state, signal);
      await bindings.create(wanted, { signal });
    } else if (!isOwnBinding(standing) || bindingKey(standing) !== bindingKey(wanted)) {
      await this.#writeParameter(state, signal);
      const metadata = { ...wanted.metadata, ...preconditionsOf(standing) };
      await bindings.replace({ ...wanted, metadata }, { signal });
    }
    const { transport, policies } = this.#options;
    const answer = probeAnswer(
      await dryRunRefusal(transport, policies.collection(namespace), probeRequest(state, namespace), signal),
    );
    if (answer === 'inForce') {
      this.#waiting = undefined;
      return answer;
    }
    if (answer === 'parametersBehind') await this.#writeParameter(state, signal);
    const now = clock.monotonic();
    if (this.#waiting?.answer !== answer) this.#waiting = { answer, since: now };
    const waited = now - this.#waiting.since;
    if (answer === 'parametersBehind') return waited > PATIENCE ? 'stopped' : answer;
    return waited > LONG_PATIENCE ? 'ignored' : answer;
  }

  async #writeParameter(state: string, signal: AbortSignal): Promise<void> {
    const { policies, namespace } = this.#options;
    const wanted = probeParameter(state, namespace);
    const fieldSelector = `metadata.name=${PARAMETER_NAME}`;
    const { items } = await policies.list({ namespace, fieldSelector, limit: 1, signal });
    const current = items[0];
    if (current === undefined) {
      await policies.create(wanted, { signal });
    } else if (current.metadata.labels?.[LABEL_STATE] !== state) {
      const metadata = { ...wanted.metadata, ...preconditionsOf(current) };
      await policies.replace({ ...wanted, metadata }, { signal });
    }
  }
}

/**
 * The message with which an admission policy refuses `body`, posted to `path` as a dry run; undefined if none does.
 *
 * @throws ApiError
 */
export async function dryRunRefusal(
  transport: Transport,
  path: string,
  body: NetworkPolicy,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const query = { dryRun: 'All', fieldValidation: 'Strict' };
    await transport.request({ method: 'POST', path, query, body, signal });
    return undefined;
  } catch (error) {
    // Only a policy's refusal says something: it names itself.
    if (error instanceof ApiError && (error.status === 422 || error.status === 403)) {
      if (error.message.includes('ValidatingAdmissionPolicy')) return error.message;
    }
    throw error;
  }
}
