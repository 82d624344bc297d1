/**
 * The probe by which the operator learns which bindings its API server has taken up. Pure.
 *
 * The API server takes up bindings about once a second, all at the same time, and finds parameters in a cache of its own.
 * Bindings have no status that says so. So the operator writes one more binding after the others. It refuses a
 * NetworkPolicy of a name that nobody uses, and its parameter is an object that was written just before. Then the operator
 * asks to create that NetworkPolicy, as a dry run. The refusal tells whether the bindings are taken up, and whether the
 * cache of parameters follows.
 *
 * The probe's binding is never deleted, because Kubernetes (1.36 and before) stops the cache of a kind of parameter when
 * the last binding that needs it is deleted, and does not start it again (docs/admission.md).
 */
import { LABEL_MANAGED_BY, LABEL_NAMESPACE_NAME, MANAGER } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { NOTHING } from '../semantics/selector.ts';
import { type AdmissionBinding, digest, POLICY_NAMES } from './binding.ts';

/** The name of the NetworkPolicy that is the probe's parameter. It selects no pod. */
export const PARAMETER_NAME = 'segmentation-admission-probe';
/** The label of the parameter that holds the state for which it was written. */
export const LABEL_STATE = 'segmentation.dev/admission-state';
/** The message of config/admission/probe.yaml for a parameter that was found. */
const FOUND = 'the probe found its parameter';
/** The API server's own words for a parameter that was not found. */
const NOT_FOUND = 'no params found';

/** The state of the bindings as they are stored, whatever their order: every write makes another one. */
export function stateOf(bindings: readonly AdmissionBinding[]): string {
  return digest(
    bindings
      .map(({ metadata: { name, uid, resourceVersion } }) => `${name} ${uid} ${resourceVersion}`)
      .sort(),
  );
}

/** The probe's binding. If it is in force, so are the bindings that make up `state`. @param namespace the operator's own */
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

/** The NetworkPolicy that the operator asks to create, as a dry run. */
export function probeRequest(state: string, namespace: string): NetworkPolicy {
  return policy(probeName(state), namespace);
}

/** The probe's parameter. */
export function probeParameter(state: string, namespace: string): NetworkPolicy {
  const object = policy(PARAMETER_NAME, namespace);
  return { ...object, metadata: { ...object.metadata, labels: { [LABEL_STATE]: state } } };
}

export type ProbeAnswer =
  /** All bindings are in force, and the cache of parameters is up to date. */
  | 'inForce'
  /** The bindings are in force; the cache of parameters is behind. */
  | 'parametersBehind'
  /** The bindings are not in force yet. */
  | 'notYet';

/** @param refusal the message with which the request was refused; undefined if it was admitted */
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
