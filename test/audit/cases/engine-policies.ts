/** Cases of the checks that compare policies of engines' own kinds with profiles. */
import type { AuditSnapshot } from '../../../src/audit/snapshot.ts';
import { type CheckCases, namespace, object, own, pod, world } from '../world.ts';

const web = pod('shop/web', { containers: [{ name: 'web', ports: [{ containerPort: 8080 }] }] });
const db = pod('shop/db', { containers: [{ name: 'db', ports: [{ containerPort: 5432 }] }] });
const tool = pod('ops/tool', { serviceAccountName: 'tool' });
const BOTH = ['Ingress', 'Egress'] as const;

/** The shop isolates its pods, and lets web connect to db and to a range of addresses. */
const shop = (...objects: ReturnType<typeof object>[]): AuditSnapshot =>
  world({
    namespaces: [namespace('shop', { team: 'shop' }), namespace('ops', { team: 'ops' })],
    pods: [web, db, tool],
    enforced: ['shop'],
    profiles: [
      {
        metadata: { name: 'shop' },
        spec: {
          mode: 'Enforce',
          namespaceSelector: {},
          isolation: BOTH,
          deletionPolicy: 'Delete',
          baseline: {
            dns: 'Deny',
            admissionWebhooks: 'Deny',
            sameNamespace: 'Deny',
            kubeAPIServer: 'Deny',
            ingressControllers: 'Deny',
            monitoring: 'Deny',
          },
        },
      },
    ],
    policies: [
      own('shop/shop.default-deny', { policyTypes: BOTH }),
      own('shop/shop.ingress.db', {
        podSelector: { matchLabels: { app: 'db' } },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 5432 }] }],
      }),
      own('shop/shop.egress.web', {
        podSelector: { matchLabels: { app: 'web' } },
        policyTypes: ['Egress'],
        egress: [
          { to: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ port: 5432 }] },
          { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] },
        ],
      }),
    ],
    objects,
  });

const cilium = (spec: object, id = 'shop/extra') => object('CiliumNetworkPolicy', id, { spec });
const clusterwide = (spec: object) => object('CiliumClusterwideNetworkPolicy', 'extra', { spec });
const calico = (spec: object) => object('CalicoNetworkPolicy', 'shop/extra', { spec });
const global = (spec: object) => object('GlobalNetworkPolicy', 'extra', { spec });
const admin = (spec: object) =>
  object('ClusterNetworkPolicy', 'extra', { spec: { tier: 'Admin', priority: 10, ...spec } });
const OPS = { namespaces: { matchLabels: { team: 'ops' } } };
const SHOP = { namespaces: { matchLabels: { team: 'shop' } } };

export const ENGINE_POLICY_CASES: Readonly<Record<string, CheckCases>> = {
  'cilium-policy-widens': {
    good: {
      'a rule that allows what the profile allows': shop(
        cilium({
          endpointSelector: { matchLabels: { app: 'db' } },
          ingress: [
            {
              fromEndpoints: [{ matchLabels: { 'k8s:app': 'web' } }],
              toPorts: [{ ports: [{ port: '5432', protocol: 'TCP' }] }],
            },
          ],
        }),
      ),
      'a default-deny by an empty rule': shop(cilium({ endpointSelector: {}, ingress: [{}], egress: [{}] })),
      'endpoints that mean the namespace of the policy': shop(
        cilium({ endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { app: 'tool' } }] }] }),
      ),
      'a rule of a namespace without a profile': shop(
        cilium({ endpointSelector: {}, ingress: [{ fromEntities: ['all'] }] }, 'ops/extra'),
      ),
      'a policy for nodes': shop(clusterwide({ nodeSelector: {}, ingress: [{ fromEntities: ['all'] }] })),
    },
    bad: {
      'an entity that is everyone': [
        shop(
          cilium({ endpointSelector: { matchLabels: { app: 'web' } }, ingress: [{ fromEntities: ['all'] }] }),
        ),
        'CiliumNetworkPolicy shop/extra spec.ingress[0]',
      ],
      'a port without peers': [
        shop(cilium({ endpointSelector: {}, ingress: [{ toPorts: [{ ports: [{ port: '8080' }] }] }] })),
        'CiliumNetworkPolicy shop/extra spec.ingress[0]',
      ],
      'pods of another namespace by their service account, in a policy of the cluster': [
        shop(
          clusterwide({
            endpointSelector: { matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'shop' } },
            ingress: [
              { fromEndpoints: [{ matchLabels: { 'k8s:io.cilium.k8s.policy.serviceaccount': 'tool' } }] },
            ],
          }),
        ),
        'CiliumClusterwideNetworkPolicy extra spec.ingress[0]',
      ],
      'pods of namespaces with a label': [
        shop(
          cilium({
            endpointSelector: {},
            ingress: [
              { fromEndpoints: [{ matchLabels: { 'k8s:io.cilium.k8s.namespace.labels.team': 'ops' } }] },
            ],
          }),
        ),
        'CiliumNetworkPolicy shop/extra spec.ingress[0]',
      ],
      'names, which can not be compared': [
        shop(cilium({ endpointSelector: {}, egress: [{ toFQDNs: [{ matchName: 'example.com' }] }] })),
        'CiliumNetworkPolicy shop/extra spec.egress[0] (not compared)',
      ],
      'a denial of what the profile allows, in the second of several specs': [
        shop(
          object('CiliumNetworkPolicy', 'shop/extra', {
            specs: [
              { endpointSelector: {}, ingress: [{}] },
              {
                endpointSelector: { matchLabels: { app: 'db' } },
                ingressDeny: [{ fromEntities: ['cluster'] }],
              },
            ],
          }),
        ),
        'CiliumNetworkPolicy shop/extra specs[1].ingressDeny[0]',
      ],
      'a denied range of addresses': [
        shop(cilium({ endpointSelector: {}, egressDeny: [{ toCIDR: ['203.0.113.0/24'] }] })),
        'CiliumNetworkPolicy shop/extra spec.egressDeny[0]',
      ],
    },
  },
  'calico-policy-widens': {
    good: {
      'a rule that allows what the profile allows': shop(
        calico({
          selector: "app == 'db'",
          types: ['Ingress'],
          ingress: [
            {
              action: 'Allow',
              protocol: 'TCP',
              source: { selector: "app == 'web'" },
              destination: { ports: ['5000:6000'] },
            },
          ],
        }),
      ),
      'a denial after NetworkPolicies': shop(global({ order: 2000, ingress: [{ action: 'Deny' }] })),
      'an allowing rule after a denial of the same tier': shop(
        global({
          order: 10,
          namespaceSelector: "team == 'shop'",
          selector: "app == 'web'",
          ingress: [{ action: 'Deny' }, { action: 'Allow', source: { selector: "app == 'tool'" } }],
        }),
      ),
      'a policy for hosts': shop(global({ selector: 'global()', ingress: [{ action: 'Allow' }] })),
      'a tier that passes at its end': shop(
        object('Tier', 'platform', { spec: { order: 100, defaultAction: 'Pass' } }),
        global({ tier: 'platform', selector: 'all()', types: ['Ingress'] }),
      ),
    },
    bad: {
      everyone: [
        shop(calico({ selector: 'all()', types: ['Ingress'], ingress: [{ action: 'Allow' }] })),
        'CalicoNetworkPolicy shop/extra spec.ingress[0]',
      ],
      'pods of another namespace': [
        shop(
          global({
            namespaceSelector: "projectcalico.org/name == 'shop'",
            types: ['Ingress'],
            ingress: [{ action: 'Allow', source: { namespaceSelector: "team in {'ops', 'dev'}" } }],
          }),
        ),
        'GlobalNetworkPolicy extra spec.ingress[0]',
      ],
      'a denial before NetworkPolicies': [
        shop(
          global({
            order: 10,
            namespaceSelector: "team == 'shop'",
            types: ['Ingress'],
            ingress: [{ action: 'Deny' }],
          }),
        ),
        'GlobalNetworkPolicy extra spec.ingress[0]',
      ],
      'a tier that denies at its end': [
        shop(
          object('Tier', 'platform', { spec: { order: 100 } }),
          global({ tier: 'platform', selector: "app == 'db'", types: ['Ingress'] }),
        ),
        'GlobalNetworkPolicy extra spec.tier',
      ],
      'a selection of Services, which can not be compared': [
        shop(
          calico({
            selector: 'all()',
            types: ['Egress'],
            egress: [{ action: 'Allow', destination: { services: { name: 'api', namespace: 'ops' } } }],
          }),
        ),
        'CalicoNetworkPolicy shop/extra spec.egress[0] (not compared)',
      ],
    },
  },
  'cluster-policy-widens': {
    good: {
      'a rule that leaves the decision to NetworkPolicies': shop(
        admin({ subject: SHOP, ingress: [{ action: 'Pass', from: [{ namespaces: {} }] }] }),
      ),
      'an accepting rule after a denial': shop(
        admin({
          subject: {
            pods: { namespaceSelector: SHOP.namespaces, podSelector: { matchLabels: { app: 'web' } } },
          },
          ingress: [
            { action: 'Deny', from: [OPS] },
            { action: 'Accept', from: [OPS] },
          ],
        }),
      ),
      'the Baseline tier': shop(
        object('ClusterNetworkPolicy', 'extra', {
          spec: {
            tier: 'Baseline',
            priority: 10,
            subject: { namespaces: {} },
            ingress: [{ action: 'Accept', from: [{ namespaces: {} }] }],
          },
        }),
      ),
      'a subject without a profile': shop(
        admin({ subject: OPS, ingress: [{ action: 'Accept', from: [{ namespaces: {} }] }] }),
      ),
    },
    bad: {
      'another namespace on one port': [
        shop(
          admin({
            subject: SHOP,
            ingress: [
              { action: 'Accept', from: [OPS], protocols: [{ tcp: { destinationPort: { number: 8080 } } }] },
            ],
          }),
        ),
        'ClusterNetworkPolicy extra spec.ingress[0]',
      ],
      'an AdminNetworkPolicy that denies what the profile allows': [
        shop(
          object('AdminNetworkPolicy', 'extra', {
            spec: {
              priority: 5,
              subject: SHOP,
              ingress: [
                {
                  action: 'Deny',
                  from: [SHOP],
                  ports: [{ portRange: { protocol: 'TCP', start: 5000, end: 6000 } }],
                },
              ],
            },
          }),
        ),
        'AdminNetworkPolicy extra spec.ingress[0]',
      ],
      'names of hosts, which can not be compared': [
        shop(
          admin({ subject: SHOP, egress: [{ action: 'Accept', to: [{ domainNames: ['*.example.com'] }] }] }),
        ),
        'ClusterNetworkPolicy extra spec.egress[0] (not compared)',
      ],
    },
  },
};
