/** Cases of the checks of the family Boundary. */
import { ANNOTATION_RULES, LABEL_PROFILE } from '../../../src/api/names.ts';
import { type CheckCases, denyAll, namespace, object, own, pod, policy, world } from '../world.ts';

const DENY = denyAll('shop');
const web = pod('shop/web', {
  containers: [{ name: 'web', ports: [{ name: 'http', containerPort: 8080 }] }],
});
const db = pod('shop/db', { containers: [{ name: 'db', ports: [{ containerPort: 5432 }] }] });

const ingress = (rule: object) =>
  policy('shop/p', { podSelector: {}, policyTypes: ['Ingress'], ingress: [rule] });
const egress = (rule: object) =>
  policy('shop/p', { podSelector: {}, policyTypes: ['Egress'], egress: [rule] });

const flannel = pod('kube-flannel/flannel', {
  containers: [{ name: 'flannel', image: 'ghcr.io/flannel-io/flannel:v0.27.0' }],
});

const gkeNode = {
  kind: 'Node',
  metadata: { name: 'n1', labels: { 'cloud.google.com/gke-nodepool': 'pool-1' } },
};
const awsNode = (...flags: string[]) =>
  pod(
    'kube-system/aws-node',
    { containers: [{ name: 'aws-node' }, { name: 'aws-eks-nodeagent', flags }] },
    { labels: { 'k8s-app': 'aws-node' } },
  );

/** An exception to pods of the app; its rule is named after it. */
const exception = (name: string, app: string, place = 'shop') => {
  const to = [{ podSelector: { matchLabels: { app } } }];
  const egress = [{ name: `to-${name}`, to, ports: [{ port: 80 }] }];
  return object('SegmentationException', `${place}/${name}`, { spec: { reason: name, egress } });
};

const webhookPolicy = {
  ...own('shop/shop.ingress.hook', { ingress: [{ ports: [{ port: 8443 }] }] }),
  metadata: {
    namespace: 'shop',
    name: 'shop.ingress.hook',
    labels: { [LABEL_PROFILE]: 'shop' },
    annotations: { [ANNOTATION_RULES]: JSON.stringify([{ rule: 'baseline.webhook.0123456789ab' }]) },
  },
};

export const BOUNDARY_CASES: Readonly<Record<string, CheckCases>> = {
  'policies-not-enforced': {
    good: {
      'flannel with Calico (Canal)': world({
        pods: [flannel, pod('kube-system/canal', {}, { labels: { 'k8s-app': 'canal' } })],
        policies: [DENY],
      }),
      "Amazon's plugin with its enforcement on": world({
        pods: [awsNode('--enable-network-policy=true')],
        policies: [DENY],
      }),
      'GKE with Dataplane V2': world({
        pods: [pod('kube-system/anetd', {}, { labels: { 'k8s-app': 'cilium' } })],
        policies: [DENY],
        objects: [gkeNode],
      }),
      'a plugin that is not known': world({ pods: [web], policies: [DENY] }),
      'a cluster without policies': world({ pods: [flannel] }),
      'manifests, which do not show the whole cluster': world({
        isComplete: false,
        pods: [flannel],
        policies: [DENY],
      }),
    },
    bad: {
      'flannel alone': [world({ pods: [flannel, web], policies: [DENY] }), 'Deployment kube-flannel/flannel'],
      "Amazon's plugin with its enforcement off": [
        world({ pods: [awsNode('--enable-network-policy=false'), web], policies: [DENY] }),
        'Deployment kube-system/aws-node',
      ],
      'GKE without an engine': [
        world({
          pods: [pod('kube-system/dns')],
          policies: [DENY],
          objects: [gkeNode],
        }),
        'Node n1',
      ],
    },
  },
  'namespace-without-policy': {
    good: {
      'a namespace with a policy': world({ pods: [web], policies: [DENY] }),
      "a namespace that a policy of the engine's own kind isolates": world({
        pods: [web],
        objects: [
          object('CiliumNetworkPolicy', 'shop/deny', { spec: { endpointSelector: {}, ingress: [{}] } }),
        ],
      }),
      'an empty namespace': world({ namespaces: ['shop'] }),
      'a protected namespace': world({
        namespaces: [namespace('kube-system', {}, true)],
        pods: [pod('kube-system/dns')],
      }),
      'a namespace with pods on the host network only': world({
        pods: [pod('shop/agent', { hostNetwork: true })],
      }),
    },
    bad: {
      'a namespace with a pod': [world({ pods: [web] }), 'Namespace shop'],
      'manifests of an application': [world({ isComplete: false, pods: [web] }), 'Namespace shop'],
    },
  },
  'pods-not-isolated-ingress': {
    good: {
      'pods under a default-deny': world({ pods: [web], policies: [DENY] }),
      'a namespace without policies, which has a check of its own': world({ pods: [web] }),
    },
    bad: {
      'a pod that no policy selects': [
        world({
          pods: [web, db],
          policies: [policy('shop/web', { podSelector: { matchLabels: { app: 'web' } } })],
        }),
        'Deployment shop/db',
      ],
      'pods that are isolated for egress only': [
        world({ pods: [web], policies: [policy('shop/p', { policyTypes: ['Egress'] })] }),
        'Deployment shop/web',
      ],
    },
  },
  'pods-not-isolated-egress': {
    good: { 'pods under a default-deny': world({ pods: [web], policies: [DENY] }) },
    bad: {
      "pods that a policy of the engine's own kind isolates for ingress only": [
        world({
          pods: [web],
          objects: [
            object('CiliumNetworkPolicy', 'shop/deny', { spec: { endpointSelector: {}, ingress: [{}] } }),
          ],
        }),
        'Deployment shop/web',
      ],
      'pods under a policy that has no policyTypes': [
        world({ pods: [web], policies: [policy('shop/p', { podSelector: {} })] }),
        'Deployment shop/web',
      ],
    },
  },
  'foreign-policy-widens': {
    good: {
      'a foreign policy that opens what the profile allows': world({
        pods: [web, db],
        enforced: ['shop'],
        policies: [
          own('shop/shop.default-deny', { policyTypes: ['Ingress', 'Egress'] }),
          own('shop/shop.ingress', { policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: {} }] }] }),
          own('shop/shop.egress', { policyTypes: ['Egress'], egress: [{ to: [{ podSelector: {} }] }] }),
          ingress({ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 5432 }] }),
        ],
      }),
      'a foreign policy where no profile is enforced': world({ pods: [web], policies: [DENY, ingress({})] }),
      'a foreign policy of which a guard denies what it opens': world({
        pods: [web, pod('ops/tool')],
        enforced: ['shop'],
        policies: [
          own('shop/shop.default-deny', { policyTypes: ['Ingress'] }),
          ingress({ from: [{ namespaceSelector: {} }] }),
        ],
        objects: [
          object('ClusterNetworkPolicy', 'shop.guard', {
            metadata: { name: 'shop.guard', labels: { [LABEL_PROFILE]: 'shop' } },
            spec: {
              tier: 'Admin',
              priority: 500,
              subject: { namespaces: {} },
              ingress: [{ name: 'rest', action: 'Deny', from: [{ namespaces: {} }] }],
            },
          }),
        ],
      }),
      'a foreign policy of one end, while the other end denies': world({
        pods: [web, db],
        enforced: ['shop'],
        policies: [
          own('shop/shop.default-deny', { policyTypes: ['Ingress', 'Egress'] }),
          ingress({ from: [{ podSelector: { matchLabels: { app: 'web' } } }] }),
        ],
      }),
    },
    bad: {
      'ingress from everyone under a profile': [
        world({
          pods: [web],
          enforced: ['shop'],
          policies: [
            own('shop/shop.default-deny', { policyTypes: ['Ingress'] }),
            ingress({ ports: [{ port: 8080 }] }),
          ],
        }),
        'NetworkPolicy shop/p',
      ],
      'only the foreign policy that widens': [
        world({
          pods: [web],
          enforced: ['shop'],
          policies: [
            own('shop/shop.default-deny', { policyTypes: ['Ingress'] }),
            DENY,
            ingress({ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }),
          ],
        }),
        'NetworkPolicy shop/p',
      ],
    },
  },
  'kind-unread': {
    good: {
      'kinds that are read': world({
        objects: [object('HTTPRoute', 'shop/web'), object('CiliumNetworkPolicy', 'shop/web')],
      }),
      'a policy of a namespace that is not audited': world({
        namespaces: [namespace('kube-system', {}, true)],
        objects: [object('EgressFirewall', 'kube-system/default')],
      }),
      "a profile's own policy of the network engine": world({
        objects: [
          object('FQDNNetworkPolicy', 'shop/own', {
            metadata: { namespace: 'shop', name: 'own', labels: { 'segmentation.dev/profile': 'shop' } },
          }),
        ],
      }),
      'a kind without which a check does not run, which says so itself': world({ unread: ['Ingress'] }),
    },
    bad: {
      'policies of kinds that are not understood': [
        world({
          objects: [object('AntreaNetworkPolicy', 'shop/web'), object('AntreaClusterNetworkPolicy', 'all')],
        }),
        'AntreaNetworkPolicy shop/web',
        'AntreaClusterNetworkPolicy all',
      ],
      'another version of a kind that is read': [
        world({
          namespaces: ['shop'],
          unreadObjects: [
            {
              object: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'web' },
              apiVersion: 'cilium.io/v9',
            },
          ],
        }),
        'CiliumNetworkPolicy shop/web apiVersion',
      ],
      'a definition of policies that nothing reads': [
        world({ unreadDefinitions: ['edgenetworkpolicies.example.com'] }),
        'CustomResourceDefinition edgenetworkpolicies.example.com',
      ],
      'routes that may not be listed': [
        world({ unread: ['GRPCRoute', 'XListenerSet'] }),
        'CustomResourceDefinition grpcroutes.gateway.networking.k8s.io',
        'CustomResourceDefinition xlistenersets.gateway.networking.x-k8s.io',
      ],
    },
  },
  'policy-selects-nothing': {
    good: {
      'a policy for all pods': world({ pods: [web], policies: [DENY] }),
      'pods that an operator makes of custom objects': world({
        isComplete: false,
        namespaces: [{ ...namespace('shop'), mayHaveOtherPods: true }],
        pods: [web],
        policies: [policy('shop/p', { podSelector: { matchLabels: { app: 'x' } } })],
      }),
      'a namespace without pods': world({
        policies: [policy('shop/p', { podSelector: { matchLabels: { app: 'x' } } })],
      }),
      'the label of one pod of a StatefulSet, among manifests': world({
        isComplete: false,
        pods: [web],
        policies: [
          policy('shop/p', {
            podSelector: { matchLabels: { app: 'web', 'statefulset.kubernetes.io/pod-name': 'web-0' } },
          }),
        ],
      }),
      'pods that a workload may make': world({
        isComplete: false,
        pods: [pod('shop/storage', { serviceAccountName: 'storage' })],
        objects: [
          object('Role', 'shop/storage', {
            rules: [{ verbs: ['*'], apiGroups: ['apps'], resources: ['daemonsets'] }],
          }),
          object('RoleBinding', 'shop/storage', {
            roleRef: { kind: 'Role', name: 'storage' },
            subjects: [{ kind: 'ServiceAccount', name: 'storage' }],
          }),
        ],
        policies: [policy('shop/p', { podSelector: { matchLabels: { app: 'x' } } })],
      }),
      'a selector that excludes all pods of today': world({
        pods: [web],
        policies: [
          policy('shop/p', {
            podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
          }),
        ],
      }),
    },
    bad: {
      'the label of a pod of a StatefulSet that is gone from the cluster': [
        world({
          pods: [web],
          policies: [
            policy('shop/p', {
              podSelector: { matchLabels: { app: 'web', 'statefulset.kubernetes.io/pod-name': 'web-0' } },
            }),
          ],
        }),
        'NetworkPolicy shop/p spec.podSelector',
      ],
      'a typing error in a label, beside a workload that may do everything, among manifests': [
        world({
          isComplete: false,
          pods: [web, pod('shop/ci', { serviceAccountName: 'ci' })],
          objects: [
            object('ClusterRoleBinding', 'ci', {
              roleRef: { kind: 'ClusterRole', name: 'cluster-admin' },
              subjects: [{ kind: 'ServiceAccount', name: 'ci', namespace: 'shop' }],
            }),
          ],
          policies: [policy('shop/p', { podSelector: { matchLabels: { app: 'wbe' } } })],
        }),
        'NetworkPolicy shop/p spec.podSelector',
      ],
      'a typing error in a label': [
        world({
          pods: [web],
          policies: [policy('shop/p', { podSelector: { matchLabels: { app: 'wbe' } } })],
        }),
        'NetworkPolicy shop/p spec.podSelector',
      ],
    },
  },
  'rule-selects-nothing': {
    good: {
      'a rule that selects pods in one of two namespaces': world({
        pods: [web, pod('pay/api')],
        policies: [
          own('shop/shop.ingress.web', { podSelector: { matchLabels: { app: 'web' } } }, 'web'),
          own('pay/shop.ingress.web', { podSelector: { matchLabels: { app: 'web' } } }, 'web'),
        ],
      }),
    },
    bad: {
      'a rule that selects pods in no namespace': [
        world({
          pods: [web, pod('pay/api')],
          policies: [
            own('shop/shop.ingress.old', { podSelector: { matchLabels: { app: 'old' } } }, 'old'),
            own('pay/shop.ingress.old', { podSelector: { matchLabels: { app: 'old' } } }, 'old'),
            own('empty/shop.ingress.old', { podSelector: { matchLabels: { app: 'old' } } }, 'old'),
          ],
        }),
        'SegmentationProfile shop rule old',
      ],
    },
  },
  'peer-matches-nothing': {
    good: {
      'peers that match': world({
        pods: [web, db],
        policies: [
          ingress({ from: [{ podSelector: { matchLabels: { app: 'web' } } }, { namespaceSelector: {} }] }),
        ],
      }),
      'a namespace that another repository may describe': world({
        isComplete: false,
        pods: [web],
        policies: [ingress({ from: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] })],
      }),
      'a peer that excludes all pods of today': world({
        pods: [web],
        policies: [
          ingress({
            from: [
              { podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] } },
            ],
          }),
        ],
      }),
      'a namespace that has no pods yet': world({
        pods: [web],
        namespaces: [namespace('new', { team: 'x' })],
        policies: [
          ingress({
            from: [
              {
                namespaceSelector: { matchLabels: { team: 'x' } },
                podSelector: { matchLabels: { app: 'y' } },
              },
            ],
          }),
        ],
      }),
    },
    bad: {
      'a namespace that does not exist': [
        world({
          pods: [web],
          policies: [ingress({ from: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] })],
        }),
        'NetworkPolicy shop/p spec.ingress[0].from[0]',
      ],
      'pods of the own namespace that do not exist, also among manifests': [
        world({
          isComplete: false,
          pods: [web],
          policies: [
            egress({
              to: [{ ipBlock: { cidr: '192.0.2.0/24' } }, { podSelector: { matchLabels: { app: 'gone' } } }],
            }),
          ],
        }),
        'NetworkPolicy shop/p spec.egress[0].to[1]',
      ],
    },
  },
  'ip-block-of-pods': {
    good: {
      'an address outside of the cluster': world({
        pods: [web],
        policies: [egress({ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }] })],
      }),
      'the whole internet': world({
        pods: [web],
        policies: [egress({ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }] })],
      }),
      "a profile's address of a node, on an engine that matches it": world({
        pods: [web],
        objects: [
          object('Node', 'n1', { status: { addresses: [{ type: 'InternalIP', address: '172.16.0.4' }] } }),
        ],
        policies: [own('shop/p', { egress: [{ to: [{ ipBlock: { cidr: '172.16.0.4/32' } }] }] })],
      }),
      "a profile's address of a node, on Cilium, which an own CiliumNetworkPolicy carries": world({
        pods: [web, pod('kube-system/cilium', {}, { labels: { 'k8s-app': 'cilium' } })],
        objects: [
          object('Node', 'n1', { status: { addresses: [{ type: 'InternalIP', address: '172.16.0.4' }] } }),
          object('CiliumNetworkPolicy', 'shop/shop.egress', {
            metadata: {
              name: 'shop.egress',
              namespace: 'shop',
              labels: {
                'app.kubernetes.io/managed-by': 'segmentation-operator',
                'segmentation.dev/profile': 'shop',
              },
            },
            spec: { endpointSelector: {}, egress: [{ toEntities: ['host', 'remote-node'] }] },
          }),
        ],
        policies: [
          own('shop/shop.egress', {
            policyTypes: ['Egress'],
            egress: [{ to: [{ ipBlock: { cidr: '172.16.0.4/32' } }] }],
          }),
        ],
      }),
      'a range whose exception holds the pods': world({
        pods: [web],
        policies: [egress({ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/16'] } }] })],
      }),
    },
    bad: {
      "the pods' own range": [
        world({ pods: [web], policies: [egress({ to: [{ ipBlock: { cidr: '10.0.0.0/16' } }] })] }),
        'NetworkPolicy shop/p spec.egress[0].to[0]',
      ],
      "a profile's address of a node, on Cilium": [
        world({
          pods: [web, pod('kube-system/cilium', {}, { labels: { 'k8s-app': 'cilium' } })],
          objects: [
            object('Node', 'n1', { status: { addresses: [{ type: 'InternalIP', address: '172.16.0.4' }] } }),
          ],
          policies: [
            own('shop/shop.egress', {
              policyTypes: ['Egress'],
              egress: [{ to: [{ ipBlock: { cidr: '172.16.0.4/32' } }] }],
            }),
          ],
        }),
        'NetworkPolicy shop/shop.egress spec.egress[0]',
      ],
      'the address of a node': [
        world({
          pods: [web],
          objects: [
            object('Node', 'n1', { status: { addresses: [{ type: 'InternalIP', address: '172.16.0.4' }] } }),
          ],
          policies: [ingress({ from: [{ ipBlock: { cidr: '172.16.0.0/24' } }] })],
        }),
        'NetworkPolicy shop/p spec.ingress[0].from[0]',
      ],
    },
  },
  'ambiguous-policy-shape': {
    good: {
      'one ipBlock with except': world({
        policies: [egress({ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] })],
      }),
      'a named port of pods': world({
        policies: [egress({ to: [{ podSelector: {} }], ports: [{ port: 'http' }] })],
      }),
      'a default-deny of both directions': world({ pods: [web, db], policies: [DENY] }),
      'rules of both directions for a single workload': world({
        pods: [web],
        policies: [policy('shop/p', { policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] })],
      }),
    },
    bad: {
      'two ipBlocks, one with except': [
        world({
          policies: [
            egress({
              to: [
                { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
                { ipBlock: { cidr: '192.0.2.0/24' } },
              ],
            }),
          ],
        }),
        'NetworkPolicy shop/p spec.egress[0]',
      ],
      'egress to a named port anywhere': [
        world({ policies: [egress({ ports: [{ port: 'http' }] })] }),
        'NetworkPolicy shop/p spec.egress[0]',
      ],
      'rules of both directions in one policy': [
        world({
          pods: [web, db],
          policies: [policy('shop/p', { policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] })],
        }),
        'NetworkPolicy shop/p spec',
      ],
    },
  },
  'port-not-declared': {
    good: {
      'a declared port': world({
        pods: [web],
        policies: [ingress({ ports: [{ port: 8080 }, { port: 'http' }] })],
      }),
      'a range that holds a declared port': world({
        pods: [web],
        policies: [ingress({ ports: [{ port: 8000, endPort: 9000 }] })],
      }),
      'pods that declare no ports': world({
        pods: [pod('shop/web')],
        policies: [ingress({ ports: [{ port: 9 }] })],
      }),
      'the port of the tunnel of ambient mode': world({
        namespaces: [namespace('shop', { 'istio.io/dataplane-mode': 'ambient' })],
        pods: [web],
        policies: [ingress({ ports: [{ port: 15_008 }] })],
      }),
      'a container that declares no ports, beside one that does': world({
        pods: [
          pod('shop/web', {
            containers: [{ name: 'web', ports: [{ containerPort: 8080 }] }, { name: 'proxy' }],
          }),
        ],
        policies: [ingress({ ports: [{ port: 9 }] })],
      }),
    },
    bad: {
      "a Service's port": [
        world({ pods: [web], policies: [ingress({ ports: [{ port: 8080 }, { port: 80 }] })] }),
        'NetworkPolicy shop/p spec.ingress[0].ports[1]',
      ],
      'the port of the tunnel of ambient mode, elsewhere': [
        world({ pods: [web], policies: [ingress({ ports: [{ port: 15_008 }] })] }),
        'NetworkPolicy shop/p spec.ingress[0].ports[0]',
      ],
      'another protocol': [
        world({ pods: [web], policies: [ingress({ ports: [{ port: 'http', protocol: 'UDP' }] })] }),
        'NetworkPolicy shop/p spec.ingress[0].ports[0]',
      ],
    },
  },
  'egress-to-everywhere': {
    good: {
      'egress to DNS': world({
        policies: [egress({ ports: [{ protocol: 'UDP', port: 53 }, { port: 53 }] })],
      }),
      'egress to a range': world({ policies: [egress({ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }] })] }),
      'rules of a direction that is not isolated': world({
        policies: [policy('shop/p', { policyTypes: ['Ingress'], egress: [{}] })],
      }),
    },
    bad: {
      'a rule without destinations': [
        world({ policies: [egress({})] }),
        'NetworkPolicy shop/p spec.egress[0]',
      ],
      'every address but some': [
        world({ policies: [egress({ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }] })] }),
        'NetworkPolicy shop/p spec.egress[0]',
      ],
    },
  },
  'ingress-from-everyone': {
    good: {
      'named sources': world({ policies: [ingress({ from: [{ podSelector: {} }] })] }),
      'the rule by which a profile lets the API server call a webhook': world({
        policies: [webhookPolicy],
      }),
    },
    bad: {
      'a rule without sources': [
        world({ policies: [ingress({ ports: [{ port: 80 }] })] }),
        'NetworkPolicy shop/p spec.ingress[0]',
      ],
      'every IPv6 address': [
        world({ policies: [ingress({ from: [{ ipBlock: { cidr: '::/0' } }] })] }),
        'NetworkPolicy shop/p spec.ingress[0]',
      ],
    },
  },
  'metadata-reachable': {
    good: {
      'egress to the world without link-local addresses': world({
        pods: [web],
        policies: [egress({ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] } }] })],
      }),
      'a pod that is not isolated, which another check reports': world({ pods: [web] }),
      'nodes without a metadata service': world({
        pods: [web],
        objects: [object('Node', 'n1', { spec: { providerID: 'kind://docker/kind/n1' } })],
        policies: [egress({ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }] })],
      }),
    },
    bad: {
      'egress to every address': [
        world({
          pods: [web],
          policies: [egress({ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 80 }] })],
        }),
        'Deployment shop/web',
      ],
    },
  },
  'exception-renewed': {
    good: {
      'two exceptions for the same flows': world({ objects: [exception('a', 'db'), exception('b', 'db')] }),
      'exceptions for different flows': world({
        objects: [exception('a', 'db'), exception('b', 'cache'), exception('c', 'queue')],
      }),
      'exceptions of several namespaces': world({
        objects: [exception('a', 'db'), exception('b', 'db'), exception('c', 'db', 'other')],
      }),
      'exceptions without a spec': world({ objects: [object('SegmentationException', 'shop/a', {})] }),
    },
    bad: {
      'three exceptions for the same flows, however their rules are named': [
        world({ objects: [exception('c', 'db'), exception('a', 'db'), exception('b', 'db')] }),
        'SegmentationException shop/a',
      ],
    },
  },
};
