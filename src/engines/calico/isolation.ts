/**
 * The pods that Calico's policies of somebody else isolate in the tier of NetworkPolicies: what none of its rules decides about
 * is denied there, as by NetworkPolicies. Pure.
 */
import type { KubeObject, LabelSelectorRequirement, StringMap } from '../../api/meta.ts';
import { DIRECTIONS, type PolicyType } from '../../api/network-policy.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { isRecord } from '../../util/is-record.ts';
import type { Isolation } from '../extensions/engine.ts';
import { parseCalicoSelector } from './parse-selector.ts';
import { labelSelectorOf } from './selector.ts';

/** Names that begin so are those of NetworkPolicies of Kubernetes, the operator's own among them. */
const KUBERNETES_PREFIX = 'knp.';

interface IsolatingSpec {
  readonly tier?: string;
  readonly selector?: string;
  readonly serviceAccountSelector?: string;
  readonly namespaceSelector?: string;
  readonly types?: readonly PolicyType[];
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
  readonly doNotTrack?: boolean;
  readonly preDNAT?: boolean;
}

function specOf({ spec }: KubeObject & { spec?: unknown }): IsolatingSpec {
  return isRecord(spec) ? spec : {};
}

/** The fields by which an object isolates pods. */
export function isolatingPart(object: KubeObject): object {
  const { ingress: _, egress: __, ...spec } = specOf(object);
  const { tier, selector, serviceAccountSelector, namespaceSelector, doNotTrack, preDNAT } = spec;
  const part = { tier, selector, serviceAccountSelector, namespaceSelector, doNotTrack, preDNAT };
  return { spec: { ...part, types: typesOf(specOf(object)) } };
}

/** The isolation by a NetworkPolicy of Calico. */
export function isolationOf(object: KubeObject): Isolation {
  const spec = specOf(object);
  const { selector = '', serviceAccountSelector = '' } = spec;
  if (object.metadata.name.startsWith(KUBERNETES_PREFIX) || !isOfTier(spec)) return 'none';
  if (serviceAccountSelector !== '') return 'unclear';
  const podSelector = labelSelectorOf(selector === '' ? 'all()' : selector);
  return podSelector === undefined ? 'unclear' : { podSelector, policyTypes: typesOf(spec) };
}

/** The isolation by a GlobalNetworkPolicy, in the namespace. */
export function clusterIsolationOf(
  object: KubeObject,
  { name, labels }: { readonly name: string; readonly labels: StringMap },
): Isolation {
  const spec = specOf(object);
  const { selector = '', serviceAccountSelector = '', namespaceSelector = '' } = spec;
  // Policies before connection tracking or address translation are for host endpoints only.
  if (!isOfTier(spec) || spec.doNotTrack === true || spec.preDNAT === true) return 'none';
  const isInPlace = parseCalicoSelector(namespaceSelector);
  if (isInPlace?.({ ...labels, [NAME]: name }) === false) return 'none';
  const wanted = labelSelectorOf(selector === '' ? 'all()' : selector);
  if (isInPlace === undefined || serviceAccountSelector !== '' || wanted === undefined) return 'unclear';
  const requirements: LabelSelectorRequirement[] = [];
  for (const each of wanted.matchExpressions ?? []) {
    const known = knownLabels(each.key, name, labels);
    if (known === 'unclear') return 'unclear';
    if (known === undefined) requirements.push(each);
    else if (!matches({ matchExpressions: [each] }, known)) return 'none';
  }
  const podSelector = requirements.length === 0 ? {} : { matchExpressions: requirements };
  return { podSelector, policyTypes: typesOf(spec) };
}

const NAME = 'projectcalico.org/name';
const NAMESPACE = 'projectcalico.org/namespace';
const ORCHESTRATOR = 'projectcalico.org/orchestrator';
/** Labels of the namespace, and of the service account, among those of a pod. */
const OF_NAMESPACE = 'pcns.';
const OF_ACCOUNT = /^(pcsa\.|projectcalico\.org\/serviceaccount$)/;

/** The labels that Calico adds to those of all pods of a namespace, as far as the key is one of them; undefined if it is not. */
function knownLabels(key: string, namespace: string, labels: StringMap): StringMap | 'unclear' | undefined {
  if (key === NAMESPACE) return { [key]: namespace };
  if (key === ORCHESTRATOR) return { [key]: 'k8s' };
  if (OF_ACCOUNT.test(key)) return 'unclear';
  if (!key.startsWith(OF_NAMESPACE)) return undefined;
  const own = { ...labels, [NAME]: namespace };
  return Object.fromEntries(Object.entries(own).map(([name, value]) => [OF_NAMESPACE + name, value]));
}

function isOfTier({ tier = '' }: IsolatingSpec): boolean {
  return tier === '' || tier === 'default';
}

/** Without types, an object isolates the directions in which it has rules; without rules, ingress. */
function typesOf({ types = [], ingress = [], egress = [] }: IsolatingSpec): readonly PolicyType[] {
  if (types.length > 0) return types;
  if (egress.length === 0) return ['Ingress'];
  return ingress.length === 0 ? ['Egress'] : DIRECTIONS;
}
