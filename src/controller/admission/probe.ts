/**
 * Sends the probe by which the operator learns which bindings the API server has taken up. src/policy/admission/probe.ts
 * says how the probe works.
 */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { ApiError } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Resource } from '../../kube/resource.ts';
import { type AdmissionBinding, bindingKey } from '../../policy/admission/binding.ts';
import { isMarked } from '../../policy/ownership.ts';
import {
  LABEL_STATE,
  PARAMETER_NAME,
  type ProbeAnswer,
  probeAnswer,
  probeBinding,
  probeParameter,
  probeRequest,
} from '../../policy/admission/probe.ts';
import { writeObject } from './object-writes.ts';

export interface ProbeOptions {
  readonly transport: Transport;
  readonly bindings: Resource<AdmissionBinding>;
  readonly policies: Resource<NetworkPolicy>;
  /** The operator's own namespace, in which the parameter exists. */
  readonly namespace: string;
}

export class AdmissionProbe {
  readonly #options: ProbeOptions;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  /**
   * Asks whether the API server has taken up the bindings that make up `state`. Writes the probe's binding and parameter
   * where they are not for this state.
   *
   * @param observed the probe's binding; undefined if there is none
   * @throws ApiError
   */
  async ask(
    state: string,
    observed: AdmissionBinding | undefined,
    signal: AbortSignal,
  ): Promise<ProbeAnswer> {
    const { bindings, transport, policies, namespace } = this.#options;
    const desired = probeBinding(state, namespace);
    const isCurrent =
      observed !== undefined && isMarked(observed) && bindingKey(observed) === bindingKey(desired);
    if (!isCurrent) {
      await this.#writeParameter(state, signal);
      await writeObject(bindings, desired, observed, signal);
    }
    const answer = probeAnswer(
      await dryRunRefusal(transport, policies.collection(namespace), probeRequest(state, namespace), signal),
    );
    // Somebody may have deleted or changed the parameter.
    if (answer === 'parametersBehind') await this.#writeParameter(state, signal);
    return answer;
  }

  async #writeParameter(state: string, signal: AbortSignal): Promise<void> {
    const { policies, namespace } = this.#options;
    const desired = probeParameter(state, namespace);
    const fieldSelector = `metadata.name=${PARAMETER_NAME}`;
    const { items } = await policies.list({ namespace, fieldSelector, limit: 1, signal });
    const [observed] = items;
    if (observed?.metadata.labels?.[LABEL_STATE] === state) return;
    await writeObject(policies, desired, observed, signal);
  }
}

/**
 * Posts `body` to `path` as a dry run.
 *
 * @returns the message with which a ValidatingAdmissionPolicy refused it; undefined if none did
 * @throws ApiError for every other failure
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
    const isRefusal = error instanceof ApiError && (error.status === 422 || error.status === 403);
    // The refusal of a policy names the policy. Other refusals, of RBAC or a webhook, tell nothing of bindings.
    if (isRefusal && error.message.includes('ValidatingAdmissionPolicy')) return error.message;
    throw error;
  }
}
