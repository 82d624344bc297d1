/** Cases of the checks that compare AuthorizationPolicies, and names of hosts, with profiles. */
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicyIngressRule, NetworkPolicyPort } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import type { AuditSnapshot } from '../../../src/audit/snapshot.ts';
import { NOTHING_ALLOWED } from '../../policy/fixture.ts';
import { type CheckCases, namespace, object, own, pod, policy, world } from '../world.ts';

const SIDECAR = { 'security.istio.io/tlsMode': 'istio' };
const web = pod(
  'shop/web',
  { containers: [{ name: 'web', ports: [{ containerPort: 8080 }] }] },
  { labels: { app: 'web', ...SIDECAR } },
);
const cart = pod('shop/cart', { serviceAccountName: 'cart' }, { labels: { app: 'cart', ...SIDECAR } });
const tool = pod('ops/tool', { serviceAccountName: 'tool' });

const profile = (authorization: 'Enforce' | 'Disabled' = 'Enforce'): SegmentationProfile => ({
  metadata: { name: 'shop' },
  spec: {
    mode: 'Enforce',
    namespaceSelector: {},
    isolation: ['Ingress', 'Egress'],
    deletionPolicy: 'Delete',
    baseline: NOTHING_ALLOWED,
    mesh: { authorization, mtls: 'Disabled' },
  },
});

interface Shop {
  readonly objects: readonly KubeObject[];
  readonly isComplete?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly authorization?: 'Enforce' | 'Disabled';
}

/** The shop lets cart connect to web, and asks for identities. */
const shop = ({ objects, isComplete = true, labels = {}, authorization }: Shop): AuditSnapshot =>
  world({
    namespaces: [namespace('shop', labels), namespace('ops')],
    pods: [web, cart, tool],
    profiles: [profile(authorization)],
    enforced: ['shop'],
    policies: [
      own('shop/shop.default-deny', { policyTypes: ['Ingress', 'Egress'] }),
      own('shop/shop.ingress.web', {
        podSelector: { matchLabels: { app: 'web' } },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'cart' } } }], ports: [{ port: 8080 }] }],
      }),
      own('shop/shop.egress.cart', {
        podSelector: { matchLabels: { app: 'cart' } },
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: {} }] }],
      }),
      policy('ops/open', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] }),
    ],
    objects,
    isComplete,
  });
const access = (spec: object, id = 'shop/extra') => object('AuthorizationPolicy', id, { spec });
const from = (source: object) => ({ from: [{ source }] });
const selector = (app: string) => ({ selector: { matchLabels: { app } } });
const ownAccess = object('AuthorizationPolicy', 'shop/shop.ingress.web', {
  metadata: {
    namespace: 'shop',
    name: 'shop.ingress.web',
    labels: { 'segmentation.dev/profile': 'shop' },
  },
  spec: { ...selector('gone'), rules: [{}] },
});

const EXTRA = 'AuthorizationPolicy shop/extra';

/** A NetworkPolicy of somebody else opens ports of a pod in ambient mode. */
const tunnelled = (
  ports: readonly NetworkPolicyPort[] | undefined,
  objects: readonly KubeObject[] = [],
  labels: Readonly<Record<string, string>> = { 'istio.io/dataplane-mode': 'ambient' },
): AuditSnapshot =>
  world({
    namespaces: [namespace('shop', labels)],
    pods: [pod('shop/web', {}, { labels: { app: 'web' } })],
    policies: [
      policy('shop/p', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ ...(ports && { ports }) }] }),
    ],
    objects,
  });
const TUNNEL = [{ port: 8080 }, { port: 15_008 }];

interface Isolated {
  readonly isAsking?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly rule?: NetworkPolicyIngressRule;
  readonly foreign?: NetworkPolicyIngressRule;
}

/** A profile isolates a pod in ambient mode, and has a rule for it. */
const isolated = ({
  isAsking = false,
  labels = { 'istio.io/dataplane-mode': 'ambient' },
  rule = { from: [{ podSelector: {} }], ports: [{ port: 8080 }] },
  foreign,
}: Isolated): AuditSnapshot => {
  const { metadata, spec } = profile(isAsking ? 'Enforce' : 'Disabled');
  const baseline = { ...spec.baseline, ...(isAsking && { mesh: 'Allow' as const }) };
  const rules = own('shop/shop.ingress', { podSelector: {}, policyTypes: ['Ingress'], ingress: [rule] });
  const annotations = { 'segmentation.dev/rules': '[{"rule":"web"}]' };
  return world({
    namespaces: [namespace('shop', labels)],
    pods: [pod('shop/web', {}, { labels: { app: 'web' } })],
    profiles: [{ metadata, spec: { ...spec, baseline } }],
    enforced: ['shop'],
    policies: [
      { ...rules, metadata: { ...rules.metadata, annotations } },
      ...(foreign === undefined
        ? []
        : [policy('shop/p', { podSelector: {}, policyTypes: ['Ingress'], ingress: [foreign] })]),
    ],
  });
};

export const MESH_CASES: Readonly<Record<string, CheckCases>> = {
  'mesh-policy-opens': {
    good: {
      'a rule for one identity': shop({
        objects: [access({ rules: [from({ principals: ['cluster.local/ns/ops/sa/tool'] })] })],
      }),
      'a rule for everyone on a path, such as that of a probe': shop({
        objects: [access({ rules: [{ to: [{ operation: { paths: ['/healthz'] } }] }] })],
      }),
      'a policy without a rule, which allows nobody': shop({ objects: [access({})] }),
      'a denial': shop({ objects: [access({ action: 'DENY', rules: [{}] })] }),
      'a rule for everyone where no profile asks for identities': shop({
        objects: [access({ rules: [{}] })],
        authorization: 'Disabled',
      }),
      'a rule for everyone of a namespace without a profile': shop({
        objects: [access({ rules: [{}] }, 'ops/extra')],
      }),
      "a profile's own policy": shop({ objects: [ownAccess] }),
    },
    bad: {
      'a rule for everyone': [
        shop({ objects: [access({ rules: [from({ namespaces: ['ops'] }), {}] })] }),
        `${EXTRA} spec.rules[1]`,
      ],
      'a rule for everyone on a port': [
        shop({ objects: [access({ rules: [{ to: [{ operation: { ports: ['8080'] } }] }] })] }),
        `${EXTRA} spec.rules[0]`,
      ],
      'a rule for every identity': [
        shop({ objects: [access({ rules: [from({ principals: ['*'] })] })] }),
        `${EXTRA} spec.rules[0]`,
      ],
      'a rule of the root namespace': [
        shop({ objects: [access({ rules: [{}] }, 'istio-system/all')] }),
        'AuthorizationPolicy istio-system/all spec.rules[0]',
      ],
      'a rule for everyone in ambient mode': [
        shop({ objects: [access({ rules: [{}] })], labels: { 'istio.io/dataplane-mode': 'ambient' } }),
        `${EXTRA} spec.rules[0]`,
      ],
    },
  },
  'tunnel-leads-to-every-port': {
    good: {
      'the port of the tunnel, held by an AuthorizationPolicy': tunnelled(TUNNEL, [
        access({ ...selector('web'), rules: [from({ namespaces: ['front'] })] }),
      ]),
      'the port of the tunnel, held by one of the root namespace': tunnelled(TUNNEL, [
        access({}, 'istio-system/all'),
      ]),
      'the port of the tunnel out of ambient mode': tunnelled(TUNNEL, [], {}),
      'other ports': tunnelled([{ port: 8080 }]),
      'every port': tunnelled(undefined),
      'every port in a range': tunnelled([{ port: 1, endPort: 65_535 }]),
    },
    bad: {
      'the port of the tunnel': [tunnelled(TUNNEL), 'NetworkPolicy shop/p spec.ingress[0]'],
      'a range that holds it': [
        tunnelled([{ port: 15_000, endPort: 15_100 }]),
        'NetworkPolicy shop/p spec.ingress[0]',
      ],
      'the port of the tunnel, beside AuthorizationPolicies for other pods, that deny, of a waypoint, or as dry runs':
        [
          tunnelled(TUNNEL, [
            access({ ...selector('other') }, 'shop/other'),
            access({ action: 'DENY', rules: [{}] }, 'shop/denies'),
            access({ targetRefs: [{ kind: 'Service', name: 'web' }] }, 'shop/targets'),
            object('AuthorizationPolicy', 'shop/dry', {
              metadata: { namespace: 'shop', name: 'dry', annotations: { 'istio.io/dry-run': 'true' } },
              spec: {},
            }),
          ]),
          'NetworkPolicy shop/p spec.ingress[0]',
        ],
    },
  },
  'tunnel-not-opened': {
    good: {
      'a profile that opens the tunnel': isolated({ isAsking: true }),
      'pods out of ambient mode': isolated({ labels: {} }),
      'a rule without ports': isolated({ rule: { from: [{ podSelector: {} }] } }),
      'a rule for addresses': isolated({
        rule: { from: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ port: 8080 }] },
      }),
      'a rule for a range of every port': isolated({
        rule: { from: [{ podSelector: {} }], ports: [{ port: 1, endPort: 65_535 }] },
      }),
      'a policy of somebody else for a range of every port': isolated({
        foreign: { ports: [{ port: 1, endPort: 65_535 }] },
      }),
      'a policy of somebody else that opens the tunnel': isolated({ foreign: { ports: [{ port: 15_008 }] } }),
    },
    bad: {
      'a rule with ports': [isolated({}), 'SegmentationProfile shop spec.ingress[web]'],
      'a rule with ports beside a policy of somebody else for another port': [
        isolated({ foreign: { ports: [{ port: 9000 }] } }),
        'SegmentationProfile shop spec.ingress[web]',
      ],
    },
  },
  'mesh-policy-denies': {
    good: {
      'a denial of what no profile allows': shop({
        objects: [access({ action: 'DENY', rules: [from({ namespaces: ['ops'] })] })],
      }),
      'a denial of requests': shop({
        objects: [access({ action: 'DENY', rules: [{ to: [{ operation: { methods: ['POST'] } }] }] })],
      }),
      'a denial on another port': shop({
        objects: [access({ action: 'DENY', rules: [{ to: [{ operation: { ports: ['9000'] } }] }] })],
      }),
      'a policy that allows': shop({ objects: [access({ rules: [from({ namespaces: ['ops'] })] })] }),
      'a denial where no profile is enforced': shop({
        objects: [access({ action: 'DENY', rules: [{}] }, 'ops/extra')],
      }),
    },
    bad: {
      'a denial of an identity that a rule allows': [
        shop({
          objects: [
            access({
              ...selector('web'),
              action: 'DENY',
              rules: [from({ principals: ['cluster.local/ns/shop/sa/cart'] })],
            }),
          ],
        }),
        `${EXTRA} spec.rules[0]`,
      ],
      'a denial of everything': [
        shop({ objects: [access({ action: 'DENY', rules: [{}] })] }),
        `${EXTRA} spec.rules[0]`,
      ],
    },
  },
  'mesh-policy-selects-nothing': {
    good: {
      'a policy for pods with a sidecar': shop({ objects: [access(selector('web'))] }),
      'a policy for all pods of the namespace': shop({ objects: [access({})] }),
      'a policy of a namespace without pods': shop({ objects: [access(selector('gone'), 'empty/extra')] }),
      'a policy of the mesh for pods of another namespace': shop({
        objects: [access(selector('web'), 'istio-system/all')],
      }),
      'a policy of a gateway': shop({
        objects: [access({ ...selector('gone'), targetRefs: [{ kind: 'Gateway', name: 'web' }] })],
      }),
      'pods that may get a sidecar, among manifests': shop({
        objects: [access(selector('tool'), 'ops/extra')],
        isComplete: false,
      }),
      "a profile's own policy": shop({ objects: [ownAccess] }),
    },
    bad: {
      'labels that no pod has': [shop({ objects: [access(selector('wbe'))] }), `${EXTRA} spec.selector`],
      'labels that no pod of the mesh has': [
        shop({ objects: [access(selector('wbe'), 'istio-system/all')] }),
        'AuthorizationPolicy istio-system/all spec.selector',
      ],
      'pods without a sidecar': [
        shop({ objects: [access({}, 'ops/extra')] }),
        'AuthorizationPolicy ops/extra',
      ],
    },
  },
  'mesh-policy-source-unknown': {
    good: {
      'namespaces that exist': shop({ objects: [access({ rules: [from({ namespaces: ['ops'] })] })] }),
      'patterns, and another namespace beside one that exists': shop({
        objects: [
          access({ rules: [from({ namespaces: ['team-*'] }), from({ namespaces: ['ops', 'remote'] })] }),
        ],
      }),
      'a namespace that other manifests may describe': shop({
        objects: [access({ rules: [from({ namespaces: ['elsewhere'] })] })],
        isComplete: false,
      }),
      'sources without a namespace': shop({
        objects: [access({ rules: [from({ ipBlocks: ['203.0.113.0/24'] }), {}] })],
      }),
    },
    bad: {
      'a namespace and an account of one that do not exist': [
        shop({
          objects: [
            access({
              rules: [
                from({ namespaces: ['opps'] }),
                from({ principals: ['cluster.local/ns/opps/sa/tool'] }),
              ],
            }),
          ],
        }),
        `${EXTRA} spec.rules[0].from`,
        `${EXTRA} spec.rules[1].from`,
      ],
    },
  },
  'names-too-wide': {
    good: {
      'names of hosts and of domains': shop({
        objects: [
          object('CiliumNetworkPolicy', 'shop/names', {
            spec: {
              egress: [{ toFQDNs: [{ matchName: 'a.example.com' }, { matchPattern: '*.example.com' }] }],
            },
          }),
          object('FQDNNetworkPolicy', 'shop/names', {
            spec: { egress: [{ matches: [{ name: 'example.com' }, { pattern: '*.api.example.com' }] }] },
          }),
        ],
      }),
      'queries for any name': shop({
        objects: [
          object('CiliumNetworkPolicy', 'shop/dns', {
            spec: {
              egress: [{ toEndpoints: [{}], toPorts: [{ rules: { dns: [{ matchPattern: '*' }] } }] }],
            },
          }),
        ],
      }),
      "a profile's own policy": shop({
        objects: [
          object('FQDNNetworkPolicy', 'shop/own', {
            metadata: { namespace: 'shop', name: 'own', labels: { 'segmentation.dev/profile': 'shop' } },
            spec: { egress: [{ matches: [{ pattern: '*' }] }] },
          }),
        ],
      }),
    },
    bad: {
      'any name, or any of a top-level domain': [
        shop({
          objects: [
            object('CiliumNetworkPolicy', 'shop/names', {
              specs: [{ egress: [{}, { toFQDNs: [{ matchPattern: '*' }] }] }],
            }),
            object('FQDNNetworkPolicy', 'shop/names', {
              spec: { egress: [{ matches: [{ pattern: '*.com' }] }] },
            }),
            object('ClusterNetworkPolicy', 'names', {
              spec: {
                tier: 'Admin',
                egress: [{ action: 'Accept', to: [{ domainNames: ['*.io', 'example.com'] }] }],
              },
            }),
            object('GlobalNetworkPolicy', 'names', {
              spec: { egress: [{ action: 'Allow', destination: { domains: ['*'] } }] },
            }),
          ],
        }),
        'CiliumNetworkPolicy shop/names specs[0].egress[1]',
        'FQDNNetworkPolicy shop/names spec.egress[0]',
        'ClusterNetworkPolicy names spec.egress[0]',
        'GlobalNetworkPolicy names spec.egress[0]',
      ],
    },
  },
};
