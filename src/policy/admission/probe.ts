/**
 * The probe by which the operator learns what its API server enforces. Pure.
 *
 * The API server takes up bindings about once a second, all at the same time, and looks parameters up in a cache of its
 * own. Bindings have no status that would tell. So the operator writes, after the others, a binding that refuses a
 * NetworkPolicy of one name that nobody uses and looks for a parameter that was written just before; then it asks for
 * that NetworkPolicy as a dry run. How it is refused tells both.
 *
 * The binding is also an anchor: it is never taken away, since Kubernetes (1.36 and before) stops the cache of a kind
 * when the last binding that needs it goes, and does not start it again. docs/admission.md has more.
 */
import { LABEL_MANAGED_BY, LABEL_NAMESPACE_NAME, MANAGER } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { NOTHING } from '../semantics/selector.ts';
import { type AdmissionBinding, digest, POLICY_NAMES } from './binding.ts';

/** The NetworkPolicy that the probe looks for. It selects no pod. */
export const PARAMETER_NAME = 'segmentation-admission-probe';
/** On the parameter: the state that it was written for. */
export const LABEL_STATE = 'segmentation.dev/admission-state';
/** The message of config/admission/probe.yaml for a parameter that was found. */
const FOUND = 'the probe found its parameter';
/** The API server's own words for one that was not. */
const NOT_FOUND = 'no params found';

/** Names the state that the bindings make up as they are stored, whatever their order: every write makes another. */
export function stateOf(bindings: readonly AdmissionBinding[]): string {
  return digest(
    bindings
      .map(({ metadata: { name, uid, resourceVersion } }) => `${name} ${uid} ${resourceVersion}`)
      .sort(),
  );
}

/** @param namespace the operator's own */
export function probeBinding(state: string, namespace: string): AdmissionBinding {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: POLICY_NAMES.probe, labels: { [LABEL_MANAGED_BY]: MANAGER } },
    spec: {
      policyName: POLICY_NAMES.probe,
      validationActions: ['Deny'],
      matchResources: {
        matchPolicy: 'Equivalent',
        namespaceSelector: { matchLabels: { [LABEL_NAMESPACE_NAME]: namespace } },
        objectSelector: {},
        resourceRules: [
          {
            apiGroups: ['networking.k8s.io'],
            apiVersions: ['v1'],
            resources: ['networkpolicies'],
            operations: ['CREATE'],
            resourceNames: [probeName(state)],
          },
        ],
      },
      paramRef: { selector: { matchLabels: { [LABEL_STATE]: state } }, parameterNotFoundAction: 'Deny' },
    },
  };
}

/** The object that the probe asks for. */
export function probeRequest(state: string, namespace: string): NetworkPolicy {
  return policy(probeName(state), namespace);
}

/** The object that the probe looks for. */
export function probeParameter(state: string, namespace: string): NetworkPolicy {
  const object = policy(PARAMETER_NAME, namespace);
  return { ...object, metadata: { ...object.metadata, labels: { [LABEL_STATE]: state } } };
}

export type ProbeAnswer =
  /** All bindings are in force, and parameters are up to date. */
  | 'inForce'
  /** The bindings are in force; the cache of parameters is behind. */
  | 'parametersBehind'
  /** The bindings are not in force yet. */
  | 'notYet';

/** @param refusal the message with which the request was refused; undefined if it was not */
export function probeAnswer(refusal: string | undefined): ProbeAnswer {
  if (refusal?.includes(FOUND)) return 'inForce';
  return refusal?.includes(NOT_FOUND) ? 'parametersBehind' : 'notYet';
}

function probeName(state: string): string {
  return `segmentation-admission-probe-${state}`;
}

function policy(name: string, namespace: string): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace },
    spec: { podSelector: NOTHING, policyTypes: ['Ingress'] },
  };
}
