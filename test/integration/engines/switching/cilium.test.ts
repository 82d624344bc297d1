/** Cilium, with extensions and a guard as a ClusterNetworkPolicy. */
import { conditionsOf, type Scene } from './scene.ts';
import { agent, moduleDefinitions } from './definitions.ts';
import { describeChanges } from './table.ts';

const has = conditionsOf('p');

async function scene(): Promise<Scene> {
  const [extension] = await moduleDefinitions(
    'cilium-policies',
    'github.com/cilium/cilium',
    'pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml',
  );
  const [guard] = await moduleDefinitions(
    'network-policy-api',
    'sigs.k8s.io/network-policy-api',
    'config/crd/standard/policy.networking.k8s.io_clusternetworkpolicies.yaml',
  );
  if (extension === undefined || guard === undefined) throw new Error('a module has no definition');
  const rules = (name: string, port: number, cidr: string) => [
    { name: 'payments', to: [{ fqdn: { names: [name] } }], ports: [{ port: 443 }] },
    { name: 'api', to: [{ entity: 'KubeAPIServer' }] },
    { name: 'office', to: [{ ipBlock: { cidr } }], ports: [{ port }] },
  ];
  return {
    components: ['engines/detect', 'engines/cilium', 'engines/cluster-network-policy'],
    configuration: { engine: 'Auto', guard: { kind: 'ClusterNetworkPolicy' } },
    otherConfiguration: { engine: 'Calico' },
    kinds: [
      {
        definition: extension,
        version: 'v2',
        lacking: ['enableDefaultDeny'],
        foreign: () => ({
          endpointSelector: { matchLabels: { app: 'other' } },
          egress: [{ toEntities: ['world'] }],
        }),
      },
      {
        definition: guard,
        version: 'v1beta1',
        lacking: ['egress', 'protocols'],
        foreign: ({ box }) => ({
          tier: 'Admin',
          priority: 990,
          subject: { namespaces: { matchLabels: { 'test.segmentation.dev/none': box.id } } },
          ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
        }),
      },
    ],
    traces: () => [agent('cilium')],
    prepare: async (box, shop) => {
      await box.pod(shop, 'web', { app: 'web' });
      return {};
    },
    profiles: () => ({
      p: {
        isolation: ['Egress'],
        baseline: { dns: 'Deny', admissionWebhooks: 'Deny' },
        guard: { mode: 'Enforce' },
        egress: rules('api.payments.example', 8080, '203.0.113.0/24'),
      },
    }),
    edits: () => ({ p: { egress: rules('more.payments.example', 9090, '198.51.100.0/24') } }),
    reports: {
      gone: [
        has('EngineReady', 'NoEngine', /no engine that the operator knows runs here/),
        has('PeersResolved', 'NoEngine', /api\.payments\.example/),
      ],
      changed: [
        has('EngineReady', 'EngineDisagrees', /correct engine/),
        has('PeersResolved', 'NoEngine', /api\.payments\.example/),
        has('GuardReady', 'NotConfigured', /set guard there/),
      ],
      missing: [
        has('PeersResolved', 'Unsupported', /does not serve ciliumnetworkpolicies/),
        has('GuardReady', 'Unsupported', /does not serve clusternetworkpolicies.*install its CRD/),
      ],
      older: [
        has(
          'PeersResolved',
          'SchemaTooOld',
          /CRD of ciliumnetworkpolicies lacks fields .*spec\.enableDefaultDeny.*Cilium 1\.16 or later/,
        ),
        has(
          'GuardReady',
          'SchemaTooOld',
          /CRD of clusternetworkpolicies lacks fields .*protocols.*upgrade it/,
        ),
      ],
      otherForm: [
        has(
          'PeersResolved',
          'SchemaTooOld',
          /stores ciliumnetworkpolicies in another form .*, with another spec\.defaulted/,
        ),
        has(
          'GuardReady',
          'SchemaTooOld',
          /stores clusternetworkpolicies in another form .*, with another spec\.defaulted/,
        ),
      ],
    },
  };
}

describeChanges({ name: 'Cilium', needsGo: true, scene });
