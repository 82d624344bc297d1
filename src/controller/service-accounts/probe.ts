/** Sends the probe by which the operator learns that the API server has taken up the bindings of label and guard. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Resource } from '../../kube/resource.ts';
import {
  type AccountAnswer,
  accountAnswer,
  accountProbeRequest,
  accountProbes,
} from '../../policy/admission/accounts.ts';
import { dryRunRefusal } from '../admission/probe.ts';
import type { AccountBindings, ObservedPair } from './bindings.ts';

export interface AccountProbeOptions {
  readonly transport: Transport;
  readonly bindings: AccountBindings;
  readonly policies: Resource<NetworkPolicy>;
  /** The operator's own namespace. */
  readonly namespace: string;
}

export class AccountProbe {
  readonly #options: AccountProbeOptions;

  constructor(options: AccountProbeOptions) {
    this.#options = options;
  }

  /**
   * Asks whether the API server has taken up the bindings that make up `state`. Writes the probe's bindings where they are
   * not for this state.
   *
   * @param observed the probe's bindings
   * @throws ApiError
   */
  async ask(state: string, observed: ObservedPair, signal: AbortSignal): Promise<AccountAnswer> {
    const { transport, bindings, policies, namespace } = this.#options;
    await bindings.write(accountProbes(state, namespace), observed, () => {}, signal);
    const body = accountProbeRequest(state, namespace);
    return accountAnswer(await dryRunRefusal(transport, policies.collection(namespace), body, signal));
  }
}
