/** The objects by which Istio is found, with istiod in a namespace of the test. istiod itself does not run. */
import { stringify } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';
import { injectorOfRevision } from '../../engines/istio/fixture.ts';
import type { Sandbox } from '../../support/cluster.ts';

/** @param istio the namespace of istiod */
export function tracesOfIstio({ id }: Sandbox, istio: string): KubeObject[] {
  const { metadata, webhooks = [] } = injectorOfRevision();
  const mesh = {
    defaultConfig: { discoveryAddress: `istiod.${istio}.svc:15012` },
    trustDomain: 'shop.example',
  };
  const objects: (KubeObject & Readonly<Record<string, unknown>>)[] = [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { ...metadata, name: `${id}-injector` },
      webhooks: webhooks.map((each, index) => ({
        ...each,
        name: `${index}.sidecar-injector.istio.io`,
        clientConfig: { service: { namespace: istio, name: 'istiod', path: '/inject' } },
        // No istiod runs, and other suites create pods too: no request is ever sent there.
        rules: [{ apiGroups: [id], apiVersions: ['v1'], operations: ['CREATE'], resources: ['none'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      })),
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: istio },
      data: { mesh: stringify(mesh) },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'istiod', namespace: istio },
      spec: { selector: { app: 'istiod' }, ports: [{ name: 'https-dns', port: 15012 }] },
    },
  ];
  return objects;
}
