/** Traces of Istio as its own charts leave them in a cluster: webhooks of the default revision, and the mesh configuration. */
import { injectorOf, type MeshEvidence, type RawInjector } from '../../../src/engines/istio/evidence.ts';

const labelled = (key: string, operator: 'In' | 'NotIn', ...values: string[]) => ({ key, operator, values });
const without = (key: string) => ({ key, operator: 'DoesNotExist' as const });

/** The webhooks of one istiod: by labels of namespaces, and by labels of pods elsewhere. */
export function injectorOfRevision(revision = 'default', service = 'istiod'): RawInjector {
  const clientConfig = { service: { namespace: 'istio-system', name: service } };
  const notRefused = labelled('sidecar.istio.io/inject', 'NotIn', 'false');
  const elsewhere = [without('istio-injection'), without('istio.io/rev')];
  return {
    metadata: {
      name: `istio-sidecar-injector-${revision}`,
      labels: { app: 'sidecar-injector', 'istio.io/rev': revision },
    },
    webhooks: [
      {
        clientConfig,
        namespaceSelector: {
          matchExpressions: [labelled('istio.io/rev', 'In', revision), without('istio-injection')],
        },
        objectSelector: { matchExpressions: [notRefused] },
      },
      {
        clientConfig,
        namespaceSelector: { matchExpressions: elsewhere },
        objectSelector: { matchExpressions: [notRefused, labelled('istio.io/rev', 'In', revision)] },
      },
      ...(revision === 'default'
        ? [
            {
              clientConfig,
              namespaceSelector: { matchExpressions: [labelled('istio-injection', 'In', 'enabled')] },
              objectSelector: { matchExpressions: [notRefused] },
            },
            {
              clientConfig,
              namespaceSelector: { matchExpressions: elsewhere },
              objectSelector: {
                matchExpressions: [
                  labelled('sidecar.istio.io/inject', 'In', 'true'),
                  without('istio.io/rev'),
                ],
              },
            },
          ]
        : []),
    ],
  };
}

export const MESH_CONFIG = `
defaultConfig:
  discoveryAddress: istiod.istio-system.svc:15012
rootNamespace: istio-system
trustDomain: shop.example
`;

export function evidenceOf(text = MESH_CONFIG, isReady: boolean | undefined = true): MeshEvidence {
  const injector = injectorOf(injectorOfRevision());
  return { kind: 'injectors', injectors: [{ injector, configuration: { kind: 'found', text }, isReady }] };
}
