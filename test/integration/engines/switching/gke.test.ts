/** GKE Dataplane V2, with names. */
import { conditionsOf, type Scene } from './scene.ts';
import { agent, moduleDefinitions } from './definitions.ts';
import { describeChanges } from './table.ts';

const has = conditionsOf('p');

async function scene(): Promise<Scene> {
  const [definition] = await moduleDefinitions(
    'gke-networking',
    'github.com/GoogleCloudPlatform/gke-networking-api',
    'config/crds/networking.gke.io_fqdnnetworkpolicies.yaml',
  );
  if (definition === undefined) throw new Error('the module has no definition');
  const rules = (name: string, cidr: string) => [
    { name: 'payments', to: [{ fqdn: { names: [name] } }], ports: [{ port: 443 }] },
    { name: 'office', to: [{ ipBlock: { cidr } }] },
  ];
  return {
    components: ['engines/detect', 'engines/gke'],
    configuration: { engine: 'Auto' },
    otherConfiguration: {},
    kinds: [
      {
        definition,
        version: 'v1alpha1',
        lacking: ['egress', 'ports'],
        foreign: () => ({
          podSelector: { matchLabels: { app: 'other' } },
          egress: [{ matches: [{ name: 'example.com' }] }],
        }),
      },
    ],
    traces: () => [agent('anetd')],
    prepare: async (box, shop) => {
      await box.pod(shop, 'web', { app: 'web' });
      return {};
    },
    profiles: () => ({
      p: { isolation: ['Egress'], egress: rules('api.payments.example', '203.0.113.0/24') },
    }),
    edits: () => ({ p: { egress: rules('more.payments.example', '198.51.100.0/24') } }),
    reports: {
      gone: [
        has('EngineReady', 'NoEngine', /no engine that the operator knows runs here/),
        has('PeersResolved', 'NoEngine', /api\.payments\.example/),
      ],
      changed: [has('PeersResolved', 'NoEngine', /set engine there/)],
      missing: [has('PeersResolved', 'Unsupported', /does not serve fqdnnetworkpolicies/)],
      older: [
        has(
          'PeersResolved',
          'SchemaTooOld',
          /CRD of fqdnnetworkpolicies lacks fields .*ports.*GKE 1\.27 or later/,
        ),
      ],
      otherForm: [
        has(
          'PeersResolved',
          'SchemaTooOld',
          /stores fqdnnetworkpolicies in another form .*, with another spec\.defaulted/,
        ),
      ],
    },
  };
}

describeChanges({ name: 'GKE', needsGo: true, scene });
