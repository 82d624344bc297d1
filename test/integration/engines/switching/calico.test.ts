/** Calico, with extensions, staged policies, a guard as a GlobalNetworkPolicy, and a staged one. */
import {
  GLOBAL_CRD,
  POLICY_CRD,
  STAGED_CRD,
  STAGED_GLOBAL_CRD,
  STAGED_POLICY_CRD,
  TIER_CRD,
} from '../../../support/calico.ts';
import type { DefinitionObject } from '../definition.ts';
import { agent } from './definitions.ts';
import { conditionsOf, type Place, type Scene, type SceneKind } from './scene.ts';
import { describeChanges } from './table.ts';

const kind = (
  definition: object,
  foreign: object,
  more: Pick<SceneKind, 'lacking' | 'apart' | 'goesWithEngine'>,
): SceneKind => ({
  definition: definition as DefinitionObject,
  version: 'v3',
  foreign: () => foreign,
  ...more,
});

const enforced = conditionsOf('p');
const audited = conditionsOf('audited');

const OTHER = { tier: 'default', order: 2000, selector: "app == 'other'", types: ['Ingress'], ingress: [] };

function scene(): Promise<Scene> {
  const rules = ({ shop }: Place, port: number, cidr: string) => [
    { name: 'web', from: [{ serviceAccount: { namespace: shop, name: 'web' } }], ports: [{ port }] },
    { name: 'office', from: [{ ipBlock: { cidr } }] },
  ];
  const profile = { isolation: ['Ingress'], baseline: { dns: 'Deny', admissionWebhooks: 'Deny' } };
  return Promise.resolve({
    components: ['engines/detect', 'engines/calico', 'engines/calico-guard'],
    configuration: { engine: 'Auto', guard: { kind: 'GlobalNetworkPolicy' } },
    otherConfiguration: { engine: 'Cilium', guard: { kind: 'ClusterNetworkPolicy' } },
    kinds: [
      kind(POLICY_CRD, OTHER, { lacking: ['ingress', 'source', 'serviceAccounts'] }),
      // Without it, the direction is not staged.
      kind(
        STAGED_POLICY_CRD,
        { stagedAction: 'Set', ...OTHER },
        {
          goesWithEngine: true,
          apart: {
            lacking: ['ingress', 'source', 'serviceAccounts'],
            report: audited(
              'EngineReady',
              'Detected',
              /Ingress is not staged in namespace .*CRD of stagednetworkpolicies lacks fields .*serviceAccounts/,
            ),
            going: 'stagedkubernetesnetworkpolicies',
          },
        },
      ),
      kind(
        STAGED_CRD,
        { stagedAction: 'Set', podSelector: { matchLabels: { app: 'other' } } },
        { lacking: ['ingress', 'from'], goesWithEngine: true },
      ),
      kind(GLOBAL_CRD, OTHER, { lacking: ['namespaceSelector'] }),
      kind(STAGED_GLOBAL_CRD, { stagedAction: 'Set', ...OTHER }, { lacking: ['namespaceSelector'] }),
    ],
    furtherKinds: [TIER_CRD as DefinitionObject],
    traces: () => [agent('calico-node')],
    prepare: async (box, shop) => {
      await box.pod(shop, 'web', { app: 'web' });
      return {};
    },
    profiles: (place) => ({
      p: { ...profile, guard: { mode: 'Enforce' }, ingress: rules(place, 8080, '203.0.113.0/24') },
      audited: {
        ...profile,
        mode: 'Audit',
        guard: { mode: 'Audit' },
        ingress: rules(place, 8080, '203.0.113.0/24'),
      },
    }),
    edits: (place) => {
      const ingress = rules(place, 9090, '198.51.100.0/24');
      return { audited: { ingress }, p: { ingress } };
    },
    reports: {
      gone: [enforced('PeersResolved', 'NotInstalled', /kubectl apply -k config\/service-accounts/)],
      changed: [
        enforced('PeersResolved', 'NotInstalled', /kubectl apply -k config\/service-accounts/),
        enforced('GuardReady', 'Unsupported', /does not serve clusternetworkpolicies.*install its CRD/),
      ],
      missing: [
        enforced('PeersResolved', 'Unsupported', /does not serve networkpolicies\.projectcalico\.org/),
        enforced('GuardReady', 'Unsupported', /does not serve globalnetworkpolicies.*install its CRD/),
        audited('EngineReady', 'Unsupported', /does not serve staged/),
        audited('GuardReady', 'Audited', /it is not staged: .*does not serve stagedglobalnetworkpolicies/),
      ],
      older: [
        enforced(
          'PeersResolved',
          'SchemaTooOld',
          /CRD of networkpolicies lacks fields .*serviceAccounts.*Calico 3\.30/,
        ),
        enforced(
          'GuardReady',
          'SchemaTooOld',
          /CRD of globalnetworkpolicies lacks fields .*namespaceSelector.*Calico 3\.30/,
        ),
        audited('EngineReady', 'SchemaTooOld', /CRD of stagedkubernetesnetworkpolicies lacks fields .*from/),
        audited(
          'GuardReady',
          'Audited',
          /it is not staged: the CRD of (staged)?globalnetworkpolicies lacks fields/,
        ),
      ],
      otherForm: [
        enforced('PeersResolved', 'SchemaTooOld', /stores networkpolicies in another form .*spec\.defaulted/),
        enforced(
          'GuardReady',
          'SchemaTooOld',
          /stores globalnetworkpolicies in another form .*spec\.defaulted/,
        ),
        audited('GuardReady', 'Audited', /it is not staged: .*in another form/),
      ],
    },
  });
}

describeChanges({ name: 'Calico', needsGo: false, changesApart: true, scene });
