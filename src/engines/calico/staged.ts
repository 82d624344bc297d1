/** StagedKubernetesNetworkPolicy (projectcalico.org/v3): a NetworkPolicy of Kubernetes, staged. Pure. */
import type { StagingEngine } from '../staging/engine.ts';
import { enforcedForm, FLOW_LOGS, stagedForm } from './staged-form.ts';

const API_VERSION = 'projectcalico.org/v3';
const KIND = 'StagedKubernetesNetworkPolicy';
const [group = '', version = ''] = API_VERSION.split('/');

export const CALICO_STAGING: StagingEngine = {
  engine: 'Calico',
  kind: { group, version, plural: 'stagedkubernetesnetworkpolicies', namespaced: true },
  component: 'config/engines/calico',
  // Before, only the commercial editions staged policies.
  since: 'Calico 3.30',
  shownIn: FLOW_LOGS,
  stage: ({ metadata, spec }) => stagedForm(KIND, { apiVersion: API_VERSION, metadata, spec }),
  staged: (object) => {
    const found = enforcedForm(object);
    return found && { metadata: found.metadata, spec: found.spec };
  },
};
