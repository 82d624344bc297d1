/**
 * The staged kinds of projectcalico.org/v3 in a namespace: StagedKubernetesNetworkPolicy for a NetworkPolicy of Kubernetes, and
 * StagedNetworkPolicy for one of Calico. Pure.
 */
import type { ExtensionEngine } from '../extensions/engine.ts';
import type { StagingEngine } from '../staging/engine.ts';
import { CALICO_EXTENSIONS } from './extensions.ts';
import { enforcedForm, FLOW_LOGS, stagedForm } from './staged-form.ts';

const API_VERSION = 'projectcalico.org/v3';
const KIND = 'StagedKubernetesNetworkPolicy';
const EXTENSION_KIND = 'StagedNetworkPolicy';
const [group = '', version = ''] = API_VERSION.split('/');

const { asPolicy: _, ...EXTENSIONS } = CALICO_EXTENSIONS;

const STAGED_EXTENSIONS: ExtensionEngine = {
  ...EXTENSIONS,
  kind: { ...EXTENSIONS.kind, plural: 'stagednetworkpolicies' },
  withRules: (frame, rules) => stagedForm(EXTENSION_KIND, EXTENSIONS.withRules(frame, rules)),
  read: (object) => {
    const found = enforcedForm(object);
    return found && EXTENSIONS.read(found);
  },
};

export const CALICO_STAGING: StagingEngine = {
  engine: 'Calico',
  kind: { group, version, plural: 'stagedkubernetesnetworkpolicies', namespaced: true },
  component: 'config/engines/calico',
  // Before, only the commercial editions staged policies.
  since: 'Calico 3.30',
  shownIn: FLOW_LOGS,
  extensions: STAGED_EXTENSIONS,
  stage: ({ metadata, spec }) => stagedForm(KIND, { apiVersion: API_VERSION, metadata, spec }),
  staged: (object) => {
    const found = enforcedForm(object);
    return found && { metadata: found.metadata, spec: found.spec };
  },
};
