/**
 * Decides from evidence if Istio runs, and what its configuration says. Pure.
 *
 * istiod is found by the webhook configurations by which it injects sidecars: they name its Service, and select the pods that
 * get sidecars. Its mesh configuration says where sidecars connect to. CRDs prove nothing: they stay when Istio is uninstalled.
 */
import type { MeshControlPlane, MeshFacts } from '../../policy/mesh.ts';
import { type InjectorEvidence, INJECTOR_LABEL, type MeshEvidence } from './evidence.ts';
import { AMBIENT, controlPlaneOf } from './mesh-config.ts';

export type MeshReason =
  | 'Confirmed'
  | 'MeshNotFound'
  | 'ControlPlaneNotReady'
  | 'ConfigurationUnusable'
  | 'EvidenceUnreadable';

export interface MeshVerdict {
  /** True if evidence confirms the mesh, False if it contradicts the configuration. */
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: MeshReason;
  readonly message: string;
}

export interface Detected {
  readonly verdict: MeshVerdict;
  readonly facts: MeshFacts;
}

/** @param before the facts so far: they stay in force while evidence is incomplete; undefined at first */
export function detectIstio(evidence: MeshEvidence, before?: MeshFacts): Detected {
  if (evidence.kind === 'unreadable')
    return doubted({ status: 'Unknown', reason: 'EvidenceUnreadable', message: evidence.message }, before);
  if (evidence.injectors.length === 0) {
    const message =
      `the operator's configuration says Istio, but there is no MutatingWebhookConfiguration with the label ` +
      `${INJECTOR_LABEL}, by which istiod injects sidecars; correct mesh there`;
    return doubted({ status: 'False', reason: 'MeshNotFound', message }, before);
  }
  const found: MeshControlPlane[] = [];
  for (const each of evidence.injectors) {
    const result = judged(each);
    if ('reason' in result) return doubted(result, before);
    found.push(result);
  }
  const [first, ...more] = merged(found);
  if (first === undefined) throw new Error('injectors without a control plane');
  const facts: MeshFacts = { kind: 'available', controlPlanes: [first, ...more], ambient: AMBIENT };
  return { verdict: readiness(evidence.injectors), facts };
}

/** Facts that were known once stay: doubt neither opens nor cuts. */
function doubted(verdict: MeshVerdict, before: MeshFacts | undefined): Detected {
  const facts: MeshFacts =
    before?.kind === 'available' ? before : { kind: 'missing', message: verdict.message, ambient: AMBIENT };
  return { verdict, facts };
}

function judged({ injector, configuration }: InjectorEvidence): MeshControlPlane | MeshVerdict {
  const { service } = injector;
  const unusable = (message: string): MeshVerdict => ({
    status: 'Unknown',
    reason: 'ConfigurationUnusable',
    message,
  });
  if (service === undefined)
    return unusable(
      `MutatingWebhookConfiguration ${injector.name} calls an istiod outside of the cluster; write rules for it, ` +
        'and `mesh: Deny` in the baseline',
    );
  if (configuration.kind === 'missing') {
    const { isUnreadable, message } = configuration;
    return isUnreadable ? { ...unusable(message), reason: 'EvidenceUnreadable' } : unusable(message);
  }
  const result = controlPlaneOf({ ...injector, service }, configuration.text);
  return typeof result === 'string'
    ? unusable(`the mesh configuration of istiod's namespace ${service.namespace} can't be used: ${result}`)
    : result;
}

/** The control planes, each once: tags of a revision have webhook configurations of their own. */
function merged(found: readonly MeshControlPlane[]): MeshControlPlane[] {
  const key = ({ service, port, metricsPorts, trustDomain, rootNamespace }: MeshControlPlane) =>
    JSON.stringify([service, port, metricsPorts, trustDomain, rootNamespace]);
  return [...Map.groupBy(found, key).values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : [{ ...first, injects: [first, ...more].flatMap(({ injects }) => injects) }],
  );
}

function readiness(injectors: readonly InjectorEvidence[]): MeshVerdict {
  const names = (each: readonly InjectorEvidence[]) =>
    [...new Set(each.map(({ injector: { service } }) => `${service?.namespace}/${service?.name}`))].join(
      ', ',
    );
  const unready = injectors.filter(({ isReady }) => isReady === false);
  if (unready.length > 0) {
    const message = `Service ${names(unready)} of istiod has no ready pod`;
    return { status: 'Unknown', reason: 'ControlPlaneNotReady', message };
  }
  if (injectors.some(({ isReady }) => isReady === undefined)) {
    const message = `the EndpointSlices of istiod's Service ${names(injectors)} can't be read`;
    return { status: 'Unknown', reason: 'EvidenceUnreadable', message };
  }
  return {
    status: 'True',
    reason: 'Confirmed',
    message: `Istio: Service ${names(injectors)} has ready pods`,
  };
}
