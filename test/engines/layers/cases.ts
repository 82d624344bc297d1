/** Policies of each kind that verdicts go by, in a small cluster, with the verdicts that they lead to. */
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { denyAll, namespace, object, pod, policy, world } from '../../audit/world.ts';
import type { JudgeSettings, LayeredWorld } from './verdicts.ts';

export interface LayerCase {
  readonly policies?: readonly NetworkPolicy[];
  readonly objects?: readonly KubeObject[];
  readonly unread?: readonly 'CiliumNetworkPolicy'[];
  /** `FROM > TO PORT[/UDP]` to the verdict, with the rule that decides or on which it depends. */
  readonly verdicts: Readonly<Record<string, string>>;
}

const MEMBER = { labels: { app: 'api', 'security.istio.io/tlsMode': 'istio' } };
const NAMESPACES = [
  namespace('shop', { team: 'a' }),
  namespace('ops'),
  namespace('mesh'),
  namespace('ambient', { 'istio.io/dataplane-mode': 'ambient' }),
  namespace('caught', { 'istio.io/dataplane-mode': 'ambient' }),
];
export const PODS = [
  pod('shop/web'),
  pod('shop/db', { serviceAccountName: 'db' }),
  pod('shop/new', {}, { ips: [] }),
  pod('ops/tool', { serviceAccountName: 'tool' }),
  pod('mesh/api', { serviceAccountName: 'api' }, MEMBER),
  pod('mesh/peer', { serviceAccountName: 'peer' }, { labels: { ...MEMBER.labels, app: 'peer' } }),
  pod('ambient/api'),
  pod('caught/api', { serviceAccountName: 'api' }, { isRedirected: true }),
  pod('caught/peer', { serviceAccountName: 'peer' }, { isRedirected: true }),
];

export const cilium = (spec: object, name = 'extra') =>
  object('CiliumNetworkPolicy', `shop/${name}`, { spec });
const clusterPolicy = (name: string, spec: object) => object('ClusterNetworkPolicy', name, { spec });
export const calico = (id: string, spec: object) =>
  object(id.includes('/') ? 'CalicoNetworkPolicy' : 'GlobalNetworkPolicy', id, { spec });
const EVERYONE = { namespaces: {} };
const tcp = (...ports: readonly number[]) =>
  ports.map((number) => ({ tcp: { destinationPort: { number } } }));

export const CASES: Readonly<Record<string, LayerCase>> = {
  'NetworkPolicies alone': {
    policies: [denyAll('shop')],
    verdicts: { 'ops/tool > shop/web 80': 'denied', 'ops/tool > ops/tool 80': 'allowed' },
  },
  'a CiliumNetworkPolicy that allows': {
    policies: [denyAll('shop')],
    objects: [
      cilium({ endpointSelector: { matchLabels: { app: 'web' } }, ingress: [{ fromEntities: ['all'] }] }),
    ],
    verdicts: {
      'ops/tool > shop/web 80': 'allowed CiliumNetworkPolicy extra spec.ingress[0]',
      'ops/tool > shop/db 80': 'denied',
    },
  },
  'a CiliumNetworkPolicy that isolates': {
    objects: [cilium({ endpointSelector: {}, ingress: [{ fromEndpoints: [{}] }] })],
    verdicts: {
      'ops/tool > shop/web 80': 'denied CiliumNetworkPolicy extra',
      'shop/db > shop/web 80': 'allowed CiliumNetworkPolicy extra spec.ingress[0]',
    },
  },
  'a CiliumNetworkPolicy that denies what a NetworkPolicy allows': {
    policies: [policy('shop/open', { podSelector: {}, ingress: [{}] })],
    objects: [
      cilium({
        endpointSelector: {},
        enableDefaultDeny: { ingress: false, egress: false },
        ingressDeny: [{ fromEntities: ['cluster'], toPorts: [{ ports: [{ port: '22', protocol: 'TCP' }] }] }],
      }),
    ],
    verdicts: {
      'ops/tool > shop/web 22': 'denied CiliumNetworkPolicy extra spec.ingressDeny[0]',
      'ops/tool > shop/web 80': 'allowed',
    },
  },
  'a CiliumNetworkPolicy with names': {
    policies: [denyAll('shop')],
    objects: [
      cilium({
        endpointSelector: {},
        egress: [
          {
            toFQDNs: [{ matchName: 'api.example' }],
            toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }],
          },
        ],
      }),
    ],
    verdicts: {
      'shop/web > 203.0.113.1 443': 'unknown CiliumNetworkPolicy extra spec.egress[0]: names (toFQDNs)',
      'shop/web > 203.0.113.1 80': 'denied',
      'shop/web > ops/tool 443': 'denied',
    },
  },
  'a CiliumNetworkPolicy for the API server and nodes': {
    policies: [denyAll('shop')],
    objects: [
      cilium({ endpointSelector: {}, egress: [{ toEntities: ['kube-apiserver', 'host', 'remote-node'] }] }),
    ],
    verdicts: {
      'shop/web > 192.0.2.10 6443': 'allowed CiliumNetworkPolicy extra spec.egress[0]',
      'shop/web > 192.0.2.11 10250': 'allowed CiliumNetworkPolicy extra spec.egress[0]',
      'shop/web > 203.0.113.1 443': 'denied',
    },
  },
  'a CiliumNetworkPolicy for remote nodes': {
    policies: [denyAll('shop')],
    objects: [cilium({ endpointSelector: {}, egress: [{ toEntities: ['remote-node'] }] })],
    verdicts: {
      'shop/web > 192.0.2.11 10250':
        'unknown CiliumNetworkPolicy extra spec.egress[0]: the entity remote-node',
      'shop/web > 203.0.113.1 443': 'denied',
    },
  },
  'a CiliumNetworkPolicy with requests': {
    policies: [denyAll('shop')],
    objects: [
      cilium({
        endpointSelector: {},
        ingress: [
          {
            fromEntities: ['cluster'],
            toPorts: [{ ports: [{ port: '80' }], rules: { http: [{ path: '/' }] } }],
          },
        ],
      }),
    ],
    verdicts: {
      'ops/tool > shop/web 80':
        'unknown CiliumNetworkPolicy extra spec.ingress[0]: requests (toPorts.rules.http)',
      'ops/tool > shop/web 81': 'denied',
    },
  },
  'a ClusterNetworkPolicy of both tiers': {
    policies: [policy('shop/open', { podSelector: {}, ingress: [{}] })],
    objects: [
      clusterPolicy('guard', {
        tier: 'Admin',
        priority: 10,
        subject: { namespaces: { matchLabels: { team: 'a' } } },
        ingress: [
          { action: 'Pass', from: [{ namespaces: { matchLabels: { team: 'a' } } }] },
          { action: 'Deny', from: [EVERYONE] },
        ],
      }),
      clusterPolicy('floor', {
        tier: 'Baseline',
        priority: 10,
        subject: EVERYONE,
        ingress: [{ action: 'Deny', from: [EVERYONE] }],
      }),
    ],
    verdicts: {
      'ops/tool > shop/web 80': 'denied ClusterNetworkPolicy guard spec.ingress[1]',
      'shop/db > shop/web 80': 'allowed',
      'shop/db > ops/tool 80': 'denied ClusterNetworkPolicy floor spec.ingress[0]',
    },
  },
  'ClusterNetworkPolicies of one priority, of which any may be asked first': {
    policies: [policy('shop/closed', { podSelector: {}, policyTypes: ['Ingress'] })],
    objects: [
      clusterPolicy('opens', {
        tier: 'Admin',
        priority: 10,
        subject: EVERYONE,
        ingress: [
          { action: 'Accept', from: [EVERYONE], protocols: tcp(80) },
          { action: 'Pass', from: [EVERYONE], protocols: tcp(443) },
          { action: 'Deny', from: [EVERYONE], protocols: tcp(80) },
        ],
      }),
      clusterPolicy('closes', {
        tier: 'Admin',
        priority: 10,
        subject: { namespaces: { matchLabels: { team: 'a' } } },
        ingress: [{ action: 'Deny', from: [EVERYONE], protocols: tcp(80, 443, 22) }],
      }),
      clusterPolicy('later', {
        tier: 'Admin',
        priority: 11,
        subject: EVERYONE,
        ingress: [{ action: 'Accept', from: [EVERYONE], protocols: tcp(22) }],
      }),
    ],
    verdicts: {
      'ops/tool > shop/web 80':
        'unknown ClusterNetworkPolicy opens spec.ingress[0]: a priority that another policy has too',
      'ops/tool > shop/web 443': 'denied',
      'ops/tool > shop/web 22': 'denied ClusterNetworkPolicy closes spec.ingress[0]',
      'shop/web > ops/tool 80': 'allowed ClusterNetworkPolicy opens spec.ingress[0]',
      'shop/web > ops/tool 443': 'allowed',
      'shop/web > ops/tool 22': 'allowed ClusterNetworkPolicy later spec.ingress[0]',
    },
  },
  'a ClusterNetworkPolicy with names of hosts': {
    objects: [
      clusterPolicy('names', {
        tier: 'Admin',
        priority: 10,
        subject: EVERYONE,
        egress: [
          { action: 'Accept', to: [{ domainNames: ['api.example'] }] },
          { action: 'Deny', to: [{ networks: ['0.0.0.0/0'] }] },
        ],
      }),
    ],
    verdicts: {
      'shop/web > 203.0.113.1 443': 'unknown ClusterNetworkPolicy names spec.egress[0]: domain names',
      'shop/web > shop/db 80': 'denied ClusterNetworkPolicy names spec.egress[1]',
    },
  },
  'policies of Calico by order': {
    policies: [denyAll('shop')],
    objects: [
      calico('first', {
        order: 10,
        selector: "app == 'web'",
        types: ['Ingress'],
        ingress: [{ action: 'Deny', protocol: 'TCP', destination: { ports: [22] } }],
      }),
      calico('shop/second', {
        order: 500,
        selector: 'all()',
        types: ['Ingress'],
        ingress: [{ action: 'Allow' }],
      }),
    ],
    verdicts: {
      'ops/tool > shop/web 22': 'denied GlobalNetworkPolicy first spec.ingress[0]',
      'ops/tool > shop/web 80': 'allowed CalicoNetworkPolicy second spec.ingress[0]',
      'ops/tool > shop/db 22': 'allowed CalicoNetworkPolicy second spec.ingress[0]',
    },
  },
  'a tier of Calico that passes what it does not decide': {
    policies: [denyAll('shop')],
    objects: [
      object('Tier', 'before', { spec: { order: 100, defaultAction: 'Pass' } }),
      calico('before.guard', {
        tier: 'before',
        order: 1,
        selector: 'all()',
        types: ['Ingress'],
        ingress: [
          { action: 'Pass', protocol: 'TCP', destination: { ports: [80] } },
          { action: 'Allow', protocol: 'UDP' },
        ],
      }),
    ],
    verdicts: {
      'ops/tool > shop/web 80': 'denied',
      'ops/tool > shop/web 53/UDP': 'allowed GlobalNetworkPolicy before.guard spec.ingress[1]',
    },
  },
  'a selector of Calico that can not be read': {
    policies: [denyAll('shop')],
    objects: [
      calico('shop/odd', { selector: 'app ~ web', types: ['Ingress'], ingress: [{ action: 'Allow' }] }),
    ],
    verdicts: {
      'ops/tool > shop/web 80':
        'unknown CalicoNetworkPolicy odd spec.ingress[0]: a selector that is not understood',
      'shop/web > ops/tool 80': 'denied',
    },
  },
  'a kind that could not be listed': {
    policies: [denyAll('shop')],
    unread: ['CiliumNetworkPolicy'],
    verdicts: { 'ops/tool > shop/web 80': 'unknown CiliumNetworkPolicy *: objects that could not be listed' },
  },
  'an object of a kind that nobody reads': {
    objects: [object('EgressFirewall', 'shop/default', { spec: {} })],
    verdicts: {
      'shop/web > ops/tool 80': 'unknown EgressFirewall default: a kind that is not understood',
      'ops/tool > ambient/api 80': 'allowed',
    },
  },
  'an FQDNNetworkPolicy': {
    objects: [
      object('FQDNNetworkPolicy', 'shop/names', {
        spec: {
          podSelector: {},
          egress: [{ matches: [{ name: 'api.example' }], ports: [{ protocol: 'TCP', port: 443 }] }],
        },
      }),
    ],
    verdicts: {
      'shop/web > 203.0.113.1 443': 'unknown FQDNNetworkPolicy names spec.egress[0]: names (matches)',
      'shop/web > ops/tool 443': 'denied FQDNNetworkPolicy names',
    },
  },
};

export function worldOf({ policies = [], objects = [], unread = [] }: LayerCase): LayeredWorld {
  return {
    ...world({ namespaces: NAMESPACES, pods: PODS, policies }),
    objects: (kind) => objects.filter((each) => each.kind === kind),
    isRead: (kind) => !unread.some((each) => each === kind),
    places: { nodes: ['192.0.2.10', '192.0.2.11'], apiServer: ['192.0.2.10'] },
  };
}

export function settingsOf({ objects = [] }: LayerCase): JudgeSettings {
  return { podsInIPBlocks: !objects.some(({ kind }) => kind?.startsWith('Cilium')) };
}
