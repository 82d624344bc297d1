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
            mesh: 'Deny',
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
const istio = (spec: object, name = 'extra') => object('AuthorizationPolicy', `shop/${name}`, { spec });
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
      "a profile's own policy": shop(
        object('CiliumNetworkPolicy', 'shop/shop.egress', {
          metadata: {
            name: 'shop.egress',
            namespace: 'shop',
            labels: {
              'app.kubernetes.io/managed-by': 'segmentation-operator',
              'segmentation.dev/profile': 'shop',
            },
          },
          spec: { endpointSelector: {}, egress: [{ toFQDNs: [{ matchName: 'example.com' }] }] },
        }),
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
  'cilium-policy-shape': {
    good: {
      'one kind of peers, with a denial that isolates nothing': world({
        objects: [
          cilium({
            endpointSelector: {},
            ingress: [{ fromEndpoints: [{}], fromCIDR: [] }],
            egressDeny: [{ toEntities: ['world'] }],
            enableDefaultDeny: { egress: false },
          }),
        ],
      }),
      'a policy that Cilium has taken': world({
        objects: [
          object('CiliumNetworkPolicy', 'shop/extra', {
            spec: { endpointSelector: {}, ingress: [{}] },
            status: { conditions: [{ type: 'Valid', status: 'True' }] },
          }),
        ],
      }),
    },
    bad: {
      'endpoints and addresses in one rule': [
        world({
          objects: [
            cilium({
              endpointSelector: {},
              egress: [{ toEndpoints: [{}], toCIDR: ['192.0.2.0/24'] }],
            }),
          ],
        }),
        'CiliumNetworkPolicy shop/extra spec.egress[0]',
      ],
      'too many ports': [
        world({
          objects: [
            cilium({
              endpointSelector: {},
              ingress: [
                {
                  toPorts: [{ ports: Array.from({ length: 41 }, (_, index) => ({ port: `${index + 1}` })) }],
                },
              ],
            }),
          ],
        }),
        'CiliumNetworkPolicy shop/extra spec.ingress[0].toPorts',
      ],
      'rules that deny alone': [
        world({ objects: [cilium({ endpointSelector: {}, egressDeny: [{ toEntities: ['world'] }] })] }),
        'CiliumNetworkPolicy shop/extra spec.egressDeny',
      ],
      'a policy without rules': [
        world({ objects: [cilium({ endpointSelector: {}, ingress: [] })] }),
        'CiliumNetworkPolicy shop/extra spec',
      ],
      'a policy that Cilium has refused': [
        world({
          objects: [
            object('CiliumNetworkPolicy', 'shop/extra', {
              spec: { endpointSelector: {}, ingress: [{}] },
              status: { conditions: [{ type: 'Valid', status: 'False', message: 'bad port' }] },
            }),
          ],
        }),
        'CiliumNetworkPolicy shop/extra status',
      ],
    },
  },
  'calico-policy-shape': {
    good: { 'selectors that Calico reads': world({ objects: [calico({ selector: "app == 'web'" })] }) },
    bad: {
      'a selector with a typing error': [
        world({ objects: [calico({ selector: 'all()', ingress: [{ source: { selector: 'app = web' } }] })] }),
        'CalicoNetworkPolicy shop/extra spec.ingress[0].source.selector',
      ],
    },
  },
  'cluster-policy-shape': {
    good: { 'a policy of its own priority': world({ objects: [admin({ subject: SHOP })] }) },
    bad: {
      'two policies of one priority': [
        world({
          objects: [
            admin({ subject: SHOP }),
            object('ClusterNetworkPolicy', 'other', { spec: { tier: 'Admin', priority: 10, subject: OPS } }),
          ],
        }),
        'ClusterNetworkPolicy extra spec.priority',
        'ClusterNetworkPolicy other spec.priority',
      ],
      'a denial of names': [
        world({
          objects: [
            admin({ subject: SHOP, egress: [{ action: 'Deny', to: [{ domainNames: ['example.com'] }] }] }),
          ],
        }),
        'ClusterNetworkPolicy extra spec.egress[0]',
      ],
    },
  },
  'gke-policy-widens': {
    good: {
      'names of pods that no profile isolates': shop(
        object('FQDNNetworkPolicy', 'ops/names', {
          spec: { podSelector: {}, egress: [{ matches: [{ name: 'example.com' }] }] },
        }),
      ),
      "a profile's own policy": shop(
        object('FQDNNetworkPolicy', 'shop/own', {
          metadata: { namespace: 'shop', name: 'own', labels: { 'segmentation.dev/profile': 'shop' } },
          spec: { podSelector: {}, egress: [{ matches: [{ name: 'example.com' }] }] },
        }),
      ),
    },
    bad: {
      'names of pods that a profile isolates': [
        shop(
          object('FQDNNetworkPolicy', 'shop/names', {
            spec: {
              podSelector: { matchLabels: { app: 'web' } },
              egress: [{ matches: [{ name: 'example.com' }] }],
            },
          }),
        ),
        'FQDNNetworkPolicy shop/names spec.egress[0] (not compared)',
      ],
    },
  },
  'istio-policy-shape': {
    good: {
      'named sources, and rules for everyone that say so': world({
        objects: [
          istio({ rules: [{ from: [{ source: { namespaces: ['shop'] } }] }, { to: [{ operation: {} }] }] }),
        ],
      }),
      'a denial': world({ objects: [istio({ action: 'DENY', rules: [{ from: [{ source: {} }] }] })] }),
      'an ALLOW policy without rules, which denies all': world({ objects: [istio({})] }),
      'identities in their forms': world({
        objects: [
          istio({
            rules: [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/web', '*/ns/shop/*'] } }] }],
          }),
        ],
      }),
      'a dry run that a profile asks for': world({
        objects: [
          {
            kind: 'AuthorizationPolicy',
            metadata: {
              namespace: 'shop',
              name: 'shop.ingress',
              labels: { 'segmentation.dev/profile': 'shop' },
              annotations: { 'istio.io/dry-run': 'true' },
            },
          },
        ],
      }),
    },
    bad: {
      'an empty list of sources': [
        world({ objects: [istio({ rules: [{ from: [] }] })] }),
        'AuthorizationPolicy shop/extra spec.rules[0].from',
      ],
      'a source whose fields the API server has dropped': [
        world({
          objects: [istio({ rules: [{ from: [{ source: { namespaces: ['shop'] } }, { source: {} }] }] })],
        }),
        'AuthorizationPolicy shop/extra spec.rules[0].from',
      ],
      'denials and delegations without rules': [
        world({
          objects: [istio({ action: 'DENY' }, 'denies'), istio({ action: 'CUSTOM', rules: [] }, 'asks')],
        }),
        'AuthorizationPolicy shop/denies spec.rules',
        'AuthorizationPolicy shop/asks spec.rules',
      ],
      'identities as URIs, and without a trust domain': [
        world({
          objects: [
            istio({
              action: 'DENY',
              rules: [
                { from: [{ source: { principals: ['spiffe://cluster.local/ns/shop/sa/web'] } }] },
                { from: [{ source: { notPrincipals: ['cluster.local/ns/shop/sa/web', 'ns/shop/sa/web'] } }] },
              ],
            }),
          ],
        }),
        'AuthorizationPolicy shop/extra spec.rules[0].from[0].source.principals',
        'AuthorizationPolicy shop/extra spec.rules[1].from[0].source.notPrincipals',
      ],
      'a policy on trial': [
        world({
          objects: [
            {
              kind: 'AuthorizationPolicy',
              metadata: { namespace: 'shop', name: 'extra', annotations: { 'istio.io/dry-run': 'true' } },
            },
          ],
        }),
        'AuthorizationPolicy shop/extra metadata.annotations[istio.io/dry-run]',
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
      'a policy for hosts': shop(global({ preDNAT: true, ingress: [{ action: 'Allow' }] })),
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
      'every pod, by the selector global() of a policy': [
        shop(global({ namespaceSelector: 'global()', types: ['Ingress'], ingress: [{ action: 'Allow' }] })),
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
