/** Istio, with overlays of identities for sidecars, and with the tunnel of ambient mode. */
import type { KubeObject } from '../../../../src/api/meta.ts';
import { tracesOfIstio } from '../traces-of-istio.ts';
import { moduleDefinitions } from './definitions.ts';
import { conditionsOf, type Place, type Scene } from './scene.ts';
import { describeChanges } from './table.ts';

const sidecars = conditionsOf('p');
const tunnel = conditionsOf('tunnel');

const PLURALS = new Set(['authorizationpolicies', 'peerauthentications']);

interface Accepted extends KubeObject {
  readonly status?: { readonly conditions?: readonly { readonly observedGeneration?: string }[] };
}

/** Accepts the AuthorizationPolicies of the ambient namespace, as istiod does. */
async function accept({ box, further: { ambient } }: Place): Promise<void> {
  const collection = `/apis/security.istio.io/v1/namespaces/${ambient}/authorizationpolicies`;
  const { items } = (await box.read(collection)) as unknown as { readonly items: readonly Accepted[] };
  for (const { metadata, status } of items) {
    const observedGeneration = String(metadata.generation);
    if (status?.conditions?.[0]?.observedGeneration === observedGeneration) continue;
    const conditions = [{ type: 'ZtunnelAccepted', status: 'True', observedGeneration }];
    await box.patch(`${collection}/${metadata.name}/status`, { status: { conditions } });
  }
}

async function scene(): Promise<Scene> {
  const all = await moduleDefinitions(
    'istio',
    'istio.io/api',
    'kubernetes/customresourcedefinitions.gen.yaml',
  );
  const [authorization, authentication] = all.filter(({ spec }) => PLURALS.has(spec.names.plural));
  if (authorization === undefined || authentication === undefined)
    throw new Error('the module lacks a definition');
  const rules = ({ further: { front = '' } }: Place, port: number) => [
    {
      name: 'web',
      podSelector: { matchLabels: { app: 'web' } },
      from: [{ namespaces: [front] }],
      ports: [{ port }],
    },
  ];
  return {
    components: ['engines/istio', 'engines/istio-policies'],
    configuration: { mesh: 'Istio' },
    otherConfiguration: {},
    kinds: [
      {
        definition: authorization,
        version: 'v1',
        lacking: ['rules', 'from', 'source', 'namespaces'],
        foreign: () => ({ selector: { matchLabels: { app: 'other' } }, action: 'ALLOW', rules: [{}] }),
      },
      {
        definition: authentication,
        version: 'v1',
        foreign: () => ({ selector: { matchLabels: { app: 'other' } }, mtls: { mode: 'PERMISSIVE' } }),
        // In `shop`, it would be a conflict.
        foreignIn: 'front',
      },
    ],
    labels: { 'istio-injection': 'enabled' },
    traces: ({ box, further: { system = '' } }) => tracesOfIstio(box, system),
    isFoundAtStart: true,
    prepare: async (box, shop) => {
      const [front, system, ambient] = await Promise.all([
        box.namespace('front', null),
        box.namespace('system', null),
        box.namespace('ambient', { 'istio.io/dataplane-mode': 'ambient', 'istio-injection': 'disabled' }),
      ]);
      await box.relabel(front, { 'istio-injection': 'enabled' });
      await box.pod(shop, 'web', { app: 'web', 'security.istio.io/tlsMode': 'istio' });
      await box.pod(front, 'front', { 'security.istio.io/tlsMode': 'istio' });
      await box.pod(ambient, 'web', { app: 'web' });
      await box.pod(system, 'istiod', { app: 'istiod' });
      return { front, system, ambient };
    },
    tend: accept,
    profiles: (place) => ({
      p: {
        namespaceSelector: { matchLabels: { ...place.box.label, 'istio-injection': 'enabled' } },
        isolation: ['Ingress'],
        baseline: { admissionWebhooks: 'Deny', mesh: 'Allow' },
        mesh: { authorization: 'Enforce', mtls: 'Strict' },
        ingress: rules(place, 8443),
      },
      tunnel: {
        namespaceSelector: { matchLabels: { ...place.box.label, 'istio.io/dataplane-mode': 'ambient' } },
        isolation: ['Ingress'],
        baseline: { admissionWebhooks: 'Deny', mesh: 'Allow' },
        mesh: { authorization: 'Enforce' },
        ingress: rules(place, 8443),
      },
    }),
    edits: (place) => ({ tunnel: { ingress: rules(place, 9443) }, p: { ingress: rules(place, 9443) } }),
    reports: {
      gone: [
        sidecars('MeshReady', 'MeshNotFound', /no MutatingWebhookConfiguration .*correct mesh there/),
        tunnel('PeersResolved', 'MeshUnavailable', /correct mesh there/),
      ],
      changed: [
        sidecars('MeshReady', 'NotConfigured', /set mesh there/),
        sidecars('PeersResolved', 'NoMesh', /set mesh there/),
        tunnel('MeshReady', 'NotConfigured', /set mesh there/),
      ],
      missing: [
        sidecars('MeshReady', 'Unsupported', /does not serve (authorizationpolicies|peerauthentications)/),
        tunnel(
          'MeshReady',
          'Unsupported',
          /does not serve .* port 15008 leads its peers to every port in .*ambient/,
        ),
        tunnel('PeersResolved', 'SourceUnavailable', /does not serve authorizationpolicies/),
      ],
      older: [
        sidecars('MeshReady', 'SchemaTooOld', /CRD of \w+ lacks fields .*Istio 1\.22 or later/),
        tunnel('MeshReady', 'SchemaTooOld', /CRD of \w+ lacks fields .*Istio 1\.22 or later/),
      ],
      otherForm: [
        sidecars('MeshReady', 'SchemaTooOld', /stores \w+ in another form .*spec\.defaulted/),
        tunnel('MeshReady', 'SchemaTooOld', /stores \w+ in another form .*spec\.defaulted/),
      ],
    },
  };
}

describeChanges({ name: 'Istio', needsGo: true, scene });
