/**
 * StagedKubernetesNetworkPolicy (projectcalico.org/v3): Calico judges flows by it beside the enforced policies, and its flow
 * logs have the verdict as a pending one. https://docs.tigera.io/calico/latest/network-policy/staged-network-policies. Pure.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { isRecord } from '../../util/is-record.ts';
import type { StagingEngine } from '../staging/engine.ts';

const API_VERSION = 'projectcalico.org/v3';
const KIND = 'StagedKubernetesNetworkPolicy';
const [group = '', version = ''] = API_VERSION.split('/');

/** `Set` stages the policy itself. Another action would stage its deletion, or nothing. */
const STAGED_ACTION = 'Set';

export const CALICO_STAGING: StagingEngine = {
  engine: 'Calico',
  kind: { group, version, plural: 'stagedkubernetesnetworkpolicies', namespaced: true },
  component: 'config/engines/calico',
  // Before, only the commercial editions staged policies.
  since: 'Calico 3.30',
  shownIn: "Calico's flow logs",
  stage: ({ metadata, spec }) => {
    const staged = { stagedAction: STAGED_ACTION, ...spec };
    return { apiVersion: API_VERSION, kind: KIND, metadata, spec: staged } as KubeObject;
  },
  staged: ({ metadata, spec }: KubeObject & { readonly spec?: unknown }): NetworkPolicy | undefined => {
    if (!isRecord(spec)) return undefined;
    const { stagedAction, ...rest } = spec;
    return stagedAction === STAGED_ACTION ? { metadata, spec: rest } : undefined;
  },
};
