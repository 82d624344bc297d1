/** Calico's NetworkPolicies as carriers of extensions. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { DIRECTIONS, type NetworkPolicySpec, type PolicyType } from '../../api/network-policy.ts';
import { withRules } from '../../policy/semantics/normalize.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { isRecord } from '../../util/is-record.ts';
import type { ExtensionEngine, ExtensionFrame } from '../extensions/engine.ts';
import { API_VERSION, compileExtension, KIND } from './compile.ts';
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
  foreign: { part: foreignPart, isolation: isolationOf },
};

/** Names that begin so are those of NetworkPolicies of Kubernetes, the operator's own among them. */
const KUBERNETES_PREFIX = 'knp.';

interface IsolatingSpec {
  readonly tier?: string;
  readonly selector?: string;
  readonly serviceAccountSelector?: string;
  readonly types?: readonly PolicyType[];
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
}

function specOf({ spec }: KubeObject & { spec?: unknown }): IsolatingSpec {
  return isRecord(spec) ? spec : {};
}

function foreignPart(object: KubeObject): object {
  const { tier, selector, serviceAccountSelector } = specOf(object);
  return { spec: { tier, selector, serviceAccountSelector, types: typesOf(specOf(object)) } };
}

/** The pods of an object in the tier of NetworkPolicies: what none of its rules decides about is denied, as by NetworkPolicies. */
function isolationOf(object: KubeObject): NetworkPolicySpec | 'none' | 'unclear' {
  const spec = specOf(object);
  const { tier = 'default', selector = 'all()', serviceAccountSelector = '' } = spec;
  if (object.metadata.name.startsWith(KUBERNETES_PREFIX) || tier !== 'default') return 'none';
  if (serviceAccountSelector !== '') return 'unclear';
  const podSelector = labelSelectorOf(selector === '' ? 'all()' : selector);
  return podSelector === undefined ? 'unclear' : { podSelector, policyTypes: typesOf(spec) };
}

/** Without types, an object isolates the directions in which it has rules; without rules, ingress. */
function typesOf({ types = [], ingress = [], egress = [] }: IsolatingSpec): readonly PolicyType[] {
  if (types.length > 0) return types;
  if (egress.length === 0) return ['Ingress'];
  return ingress.length === 0 ? ['Egress'] : DIRECTIONS;
}

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
