/** The traces of Istio in a cluster, as they were read. Pure. */
import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import type { ServiceName } from '../../policy/facts.ts';

/** The label of the webhook configurations by which istiod injects sidecars. */
export const INJECTOR_LABEL = 'app=sidecar-injector';
const LABEL_REVISION = 'istio.io/rev';

/** A MutatingWebhookConfiguration, as far as it is read. */
export interface RawInjector extends KubeObject {
  readonly webhooks?: readonly {
    readonly clientConfig?: { readonly service?: Partial<ServiceName> };
    readonly namespaceSelector?: LabelSelector;
    readonly objectSelector?: LabelSelector;
  }[];
}

/** The webhooks of one configuration that call one istiod. */
export interface Injector {
  /** The name of the webhook configuration. */
  readonly name: string;
  /** The Service of istiod; absent if the webhook is called by a URL. */
  readonly service: ServiceName | undefined;
  readonly revision: string;
  readonly webhooks: readonly {
    readonly namespaceSelector: LabelSelector;
    readonly podSelector: LabelSelector;
  }[];
}

/** A part of the evidence that could not be read, or is not there. `message` names it. */
export interface Missing {
  readonly kind: 'missing';
  readonly isUnreadable: boolean;
  readonly message: string;
}

export interface InjectorEvidence {
  readonly injector: Injector;
  /** The mesh configuration of the injector's revision, as YAML. */
  readonly configuration: { readonly kind: 'found'; readonly text: string } | Missing;
  /** True if istiod has a ready pod; undefined if that could not be read. */
  readonly isReady: boolean | undefined;
}

export type MeshEvidence =
  | { readonly kind: 'injectors'; readonly injectors: readonly InjectorEvidence[] }
  /** The webhook configurations can't be read. */
  | { readonly kind: 'unreadable'; readonly message: string };

/** True for a webhook configuration by which istiod injects sidecars. */
export function isInjector({ metadata }: RawInjector): boolean {
  const [key = '', value] = INJECTOR_LABEL.split('=');
  return metadata.labels?.[key] === value;
}

export function injectorOf({ metadata, webhooks = [] }: RawInjector): Injector {
  const services = webhooks.flatMap(({ clientConfig }) => clientConfig?.service ?? []);
  const { namespace, name } = services[0] ?? {};
  return {
    name: metadata.name,
    service: namespace !== undefined && name !== undefined ? { namespace, name } : undefined,
    revision: metadata.labels?.[LABEL_REVISION] ?? 'default',
    webhooks: webhooks.map(({ namespaceSelector = {}, objectSelector = {} }) => ({
      namespaceSelector,
      podSelector: objectSelector,
    })),
  };
}

/** The ConfigMap with the mesh configuration of a revision, in istiod's namespace. */
export function configMapName(revision: string): string {
  return revision === 'default' ? 'istio' : `istio-${revision}`;
}
