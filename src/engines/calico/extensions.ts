/** Calico's NetworkPolicies as carriers of extensions. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicySpec } from '../../api/network-policy.ts';
import { withRules } from '../../policy/semantics/normalize.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { isRecord } from '../../util/is-record.ts';
import type { ExtensionEngine, ExtensionFrame } from '../extensions/engine.ts';
import { API_VERSION, compileExtension, KIND } from './compile.ts';
import { clusterIsolationOf, isolatingPart, isolationOf } from './isolation.ts';
import { labelSelectorOf } from './selector.ts';

const [group = '', version = ''] = API_VERSION.split('/');

export const CALICO_EXTENSIONS: ExtensionEngine = {
  engine: 'Calico',
  kind: { group, version, plural: 'networkpolicies', namespaced: true },
  component: 'config/engines/calico',
  // Before, names of policies in the tier `default` were changed by the API server.
  since: 'Calico 3.30',
  // Calico lists NetworkPolicies of Kubernetes as objects of this kind too, under names with the prefix knp.
  namePrefix: 'default.',
  carries: new Set(['serviceAccount']),
  compile: compileExtension,
  withRules: ({ apiVersion, kind, spec, direction }, rules) => ({
    apiVersion,
    kind,
    metadata: { name: '' },
    spec: { ...spec, [direction === 'Ingress' ? 'ingress' : 'egress']: rules },
  }),
  read: (object) => readObject(object),
  asPolicy: (object) => policyOf(object),
  foreign: {
    part: isolatingPart,
    isolation: isolationOf,
    ofCluster: {
      kind: { group, version, plural: 'globalnetworkpolicies', namespaced: false },
      isolation: clusterIsolationOf,
    },
  },
};

/** Undefined if somebody added rules of the other direction, or anything else. */
function readObject({ spec }: KubeObject & { spec?: unknown }) {
  if (!isRecord(spec)) return undefined;
  const { ingress, egress, ...rest } = spec;
  const direction = Array.isArray(ingress) ? 'Ingress' : 'Egress';
  const rules = direction === 'Ingress' ? ingress : egress;
  if (!Array.isArray(rules) || (ingress !== undefined && egress !== undefined)) return undefined;
  const frame: ExtensionFrame = { apiVersion: API_VERSION, kind: KIND, spec: rest, direction };
  return { frame, rules: rules.filter(isRecord) };
}

/** Each rule stands for itself, as a peer that no pod is. */
function policyOf(object: KubeObject): NetworkPolicySpec | undefined {
  const found = readObject(object);
  if (found === undefined) return undefined;
  const { frame, rules } = found;
  const { selector } = frame.spec as { readonly selector?: unknown };
  const podSelector = typeof selector === 'string' ? labelSelectorOf(selector) : undefined;
  if (podSelector === undefined) return undefined;
  const { direction } = frame;
  return withRules(
    { podSelector, policyTypes: [direction] },
    direction,
    rules.map((rule) => ({ peers: [{ podSelector: { matchLabels: { [canonicalJSON(rule)]: '' } } }] })),
  );
}
