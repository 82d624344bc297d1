/** Cases of the checks of the family Service accounts, and of those that read tokens. */
import type { KubeObject } from '../../../src/api/meta.ts';
import { type CheckCases, denyAll, object, pod, policy, world } from '../world.ts';

const web = pod('shop/web', { serviceAccountName: 'web' });
const rule = (
  verbs: readonly string[],
  resources: readonly string[],
  apiGroups: readonly string[] = [''],
  more = {},
) => ({
  verbs,
  resources,
  apiGroups,
  ...more,
});
const to = (kind: string, name: string, subjects: readonly object[]) => ({
  roleRef: { kind, name },
  subjects,
});
const MASTERS = { kind: 'Group', name: 'system:masters' };
const WEB = { kind: 'ServiceAccount', namespace: 'shop', name: 'web' };

/** The account shop/web with this rule, by a binding in the cluster or in the namespace. */
const inCluster = (...rules: readonly object[]) =>
  world({
    pods: [web],
    objects: [
      object('ClusterRole', 'r', { rules }),
      object('ClusterRoleBinding', 'b', to('ClusterRole', 'r', [WEB])),
    ],
  });
const inNamespace = (...rules: readonly object[]) =>
  world({
    pods: [web],
    objects: [object('Role', 'shop/r', { rules }), object('RoleBinding', 'shop/b', to('Role', 'r', [WEB]))],
  });
const BY_CLUSTER = 'ServiceAccount shop/web ClusterRoleBinding b';
const BY_NAMESPACE = 'ServiceAccount shop/web RoleBinding shop/b';

const labelled = (made: KubeObject, labels: Readonly<Record<string, string>>): KubeObject => ({
  ...made,
  metadata: { ...made.metadata, labels },
});
const API_SERVER = labelled(
  object('EndpointSlice', 'default/kubernetes', {
    endpoints: [{ addresses: ['192.0.2.10'] }],
    ports: [{ port: 6443 }],
  }),
  { 'kubernetes.io/service-name': 'kubernetes' },
);
const TO_API_SERVER = policy('shop/p', {
  policyTypes: ['Egress'],
  egress: [{ to: [{ ipBlock: { cidr: '192.0.2.10/32' } }], ports: [{ port: 6443 }] }],
});
const READER = [
  object('Role', 'shop/r', { rules: [rule(['get'], ['configmaps'])] }),
  object('RoleBinding', 'shop/b', to('Role', 'r', [WEB])),
];
const withoutToken = pod('shop/web', { automountServiceAccountToken: false });

export const ACCOUNT_CASES: Readonly<Record<string, CheckCases>> = {
  'account-cluster-admin': {
    good: {
      'a role with verbs and resources': inCluster(rule(['get'], ['pods'])),
      'an administrator that no workload runs as': world({
        objects: [
          object('ClusterRole', 'r', { rules: [rule(['*'], ['*'], ['*'])] }),
          object('ClusterRoleBinding', 'b', to('ClusterRole', 'r', [WEB])),
        ],
      }),
    },
    bad: {
      'everything in the cluster': [inCluster(rule(['*'], ['*'], ['*'])), BY_CLUSTER],
      'a role that every cluster has and no manifest describes, by a subject without namespace': [
        world({
          isComplete: false,
          pods: [web],
          objects: [
            object(
              'ClusterRoleBinding',
              'b',
              to('ClusterRole', 'cluster-admin', [{ kind: 'ServiceAccount', name: 'web' }]),
            ),
          ],
        }),
        BY_CLUSTER,
      ],
      'everything in the namespace, for all accounts of it': [
        world({
          pods: [web],
          objects: [
            object('ClusterRole', 'r', { rules: [rule(['*'], ['*'], ['*'])] }),
            object(
              'RoleBinding',
              'shop/b',
              to('ClusterRole', 'r', [{ kind: 'Group', name: 'system:serviceaccounts:shop' }]),
            ),
          ],
        }),
        BY_NAMESPACE,
      ],
      'everything, by an aggregated role': [
        world({
          pods: [web],
          objects: [
            object('ClusterRole', 'r', {
              aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] },
            }),
            labelled(object('ClusterRole', 'part', { rules: [rule(['*'], ['*'], ['*'])] }), { part: 'yes' }),
            object('ClusterRoleBinding', 'b', to('ClusterRole', 'r', [WEB])),
          ],
        }),
        BY_CLUSTER,
      ],
    },
  },
  'account-wildcard': {
    good: {
      'listed verbs and resources': inCluster(rule(['get', 'list'], ['pods'])),
      'everything, which has a check of its own': inCluster(rule(['*'], ['*'], ['*'])),
    },
    bad: {
      'every verb': [inCluster(rule(['*'], ['pods'])), BY_CLUSTER],
      'every resource of a group': [inNamespace(rule(['get'], ['*'], ['apps'])), BY_NAMESPACE],
    },
  },
  'account-reads-secrets': {
    good: {
      'named Secrets': inNamespace(rule(['get'], ['secrets'], [''], { resourceNames: ['tls'] })),
      'creating Secrets': inNamespace(rule(['create'], ['secrets'])),
      'secrets of another group': inCluster(rule(['get'], ['secrets'], ['example.com'])),
    },
    bad: {
      'the role edit, which every cluster has': [
        world({
          pods: [web],
          objects: [object('RoleBinding', 'shop/b', to('ClusterRole', 'edit', [WEB]))],
        }),
        BY_NAMESPACE,
      ],
      'all Secrets of the cluster': [inCluster(rule(['list'], ['secrets'])), BY_CLUSTER],
      'all Secrets of the namespace, by a binding that names the account alone': [
        world({
          pods: [web],
          objects: [
            object('Role', 'shop/r', { rules: [rule(['get'], ['secrets'])] }),
            object('RoleBinding', 'shop/b', to('Role', 'r', [{ kind: 'ServiceAccount', name: 'web' }])),
          ],
        }),
        BY_NAMESPACE,
      ],
      'all Secrets of the namespace, by a wildcard': [inNamespace(rule(['get'], ['*'])), BY_NAMESPACE],
    },
  },
  'account-executes-in-pods': {
    good: { 'reading pods': inCluster(rule(['*'], ['pods'])) },
    bad: {
      'pods/exec': [inCluster(rule(['create'], ['pods/exec'])), BY_CLUSTER],
      'every subresource of the name': [inNamespace(rule(['create'], ['*/attach'])), BY_NAMESPACE],
    },
  },
  'account-escalates': {
    good: {
      'binding a named role': inCluster(
        rule(['bind'], ['clusterroles'], ['rbac.authorization.k8s.io'], { resourceNames: ['view'] }),
      ),
      'impersonating users by a RoleBinding, which has no effect': inNamespace(
        rule(['impersonate'], ['users']),
      ),
    },
    bad: {
      escalate: [inCluster(rule(['escalate'], ['clusterroles'], ['rbac.authorization.k8s.io'])), BY_CLUSTER],
      'impersonating accounts of the namespace': [
        inNamespace(rule(['impersonate'], ['serviceaccounts'])),
        BY_NAMESPACE,
      ],
    },
  },
  'account-creates-pods': {
    good: {
      'reading pods': inCluster(rule(['get', 'list', 'watch'], ['pods'])),
      'deployments of another group': inCluster(rule(['create'], ['deployments'], ['example.com'])),
      'everything, which has a check of its own': inCluster(rule(['*'], ['*'], ['*'])),
    },
    bad: {
      'pods of the cluster': [inCluster(rule(['create'], ['pods'])), BY_CLUSTER],
      'what becomes pods, in a namespace': [inNamespace(rule(['create'], ['jobs'], ['batch'])), BY_NAMESPACE],
    },
  },
  'account-creates-volumes': {
    good: {
      claims: inCluster(rule(['create'], ['persistentvolumeclaims'])),
      'volumes by a binding in a namespace, which gives nothing': inNamespace(
        rule(['create'], ['persistentvolumes']),
      ),
    },
    bad: { volumes: [inCluster(rule(['create'], ['persistentvolumes'])), BY_CLUSTER] },
  },
  'account-reaches-kubelets': {
    good: {
      'metrics and logs of nodes': inCluster(rule(['get'], ['nodes', 'nodes/metrics', 'nodes/log'])),
    },
    bad: { 'every path of the kubelet': [inCluster(rule(['get'], ['nodes/proxy'])), BY_CLUSTER] },
  },
  'account-approves-certificates': {
    good: {
      'making requests': inCluster(rule(['create'], ['certificatesigningrequests'], ['certificates.k8s.io'])),
    },
    bad: {
      approval: [
        inCluster(rule(['update'], ['certificatesigningrequests/approval'], ['certificates.k8s.io'])),
        BY_CLUSTER,
      ],
    },
  },
  'account-writes-webhooks': {
    good: {
      'a named webhook': inCluster(
        rule(['patch'], ['mutatingwebhookconfigurations'], ['admissionregistration.k8s.io'], {
          resourceNames: ['web'],
        }),
      ),
      'reading webhooks': inCluster(
        rule(['list'], ['mutatingwebhookconfigurations'], ['admissionregistration.k8s.io']),
      ),
    },
    bad: {
      'every webhook': [
        inCluster(rule(['patch'], ['validatingwebhookconfigurations'], ['admissionregistration.k8s.io'])),
        BY_CLUSTER,
      ],
    },
  },
  'account-creates-tokens': {
    good: {
      'tokens of a named account': inNamespace(
        rule(['create'], ['serviceaccounts/token'], [''], { resourceNames: ['job'] }),
      ),
      'creating accounts': inCluster(rule(['create'], ['serviceaccounts'])),
    },
    bad: {
      'tokens of the namespace': [inNamespace(rule(['create'], ['serviceaccounts/token'])), BY_NAMESPACE],
    },
  },
  'masters-group-bound': {
    good: {
      'the binding that the API server makes': world({
        objects: [
          object('ClusterRoleBinding', 'cluster-admin', to('ClusterRole', 'cluster-admin', [MASTERS])),
        ],
      }),
      'a group of its own': world({
        objects: [
          object('ClusterRoleBinding', 'b', to('ClusterRole', 'r', [{ kind: 'Group', name: 'admins' }])),
        ],
      }),
    },
    bad: {
      'a binding in the cluster': [
        world({ objects: [object('ClusterRoleBinding', 'b', to('ClusterRole', 'r', [WEB, MASTERS]))] }),
        'ClusterRoleBinding b subjects[1]',
      ],
      'a binding in a namespace': [
        world({ objects: [object('RoleBinding', 'shop/b', to('Role', 'r', [MASTERS]))] }),
        'RoleBinding shop/b subjects[0]',
      ],
    },
  },
  'account-writes-policies': {
    good: {
      'reading policies': inCluster(
        rule(['get', 'list', 'watch'], ['networkpolicies'], ['networking.k8s.io']),
      ),
    },
    bad: {
      'deleting policies': [
        inNamespace(rule(['delete'], ['networkpolicies'], ['networking.k8s.io'])),
        BY_NAMESPACE,
      ],
      'changing profiles': [
        inCluster(rule(['patch'], ['segmentationprofiles'], ['segmentation.dev'])),
        BY_CLUSTER,
      ],
    },
  },
  'token-without-permissions': {
    good: {
      'an account with permissions': world({ pods: [web], objects: READER }),
      'a pod that mounts no token': world({ pods: [withoutToken] }),
      'a binding of a role that other manifests describe': world({
        isComplete: false,
        pods: [web],
        objects: [
          object('ServiceAccount', 'shop/web'),
          object('RoleBinding', 'shop/b', to('Role', 'elsewhere', [WEB])),
        ],
      }),
      'an account that other manifests describe': world({ isComplete: false, pods: [web] }),
      'an account that gives no token': world({
        pods: [web],
        objects: [object('ServiceAccount', 'shop/web', { automountServiceAccountToken: false })],
      }),
    },
    bad: {
      'a token of the account default': [
        world({ pods: [pod('shop/web')] }),
        'Deployment shop/web automountServiceAccountToken',
      ],
      'a token in a projected volume': [
        world({
          pods: [
            pod('shop/web', {
              automountServiceAccountToken: false,
              volumes: [
                { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
              ],
            }),
          ],
        }),
        'Deployment shop/web automountServiceAccountToken',
      ],
    },
  },
  'token-without-api-server': {
    good: {
      'policies that allow the API server': world({
        pods: [web],
        policies: [TO_API_SERVER],
        objects: [...READER, API_SERVER],
      }),
      'an unknown API server': world({ pods: [web], policies: [denyAll('shop')], objects: READER }),
    },
    bad: {
      'policies that deny the API server': [
        world({ pods: [web], policies: [denyAll('shop')], objects: [...READER, API_SERVER] }),
        'Deployment shop/web automountServiceAccountToken',
      ],
    },
  },
  'default-account-permissions': {
    good: { 'a binding of another account': world({ pods: [web], objects: READER }) },
    bad: {
      'a binding of the account default': [
        world({
          namespaces: ['shop'],
          objects: [
            object('Role', 'shop/r', { rules: [rule(['get'], ['configmaps'])] }),
            object('RoleBinding', 'shop/b', to('Role', 'r', [{ ...WEB, name: 'default' }])),
          ],
        }),
        'ServiceAccount shop/default RoleBinding b',
      ],
    },
  },
  'long-lived-token': {
    good: {
      'another type of Secret': world({
        objects: [object('Secret', 'shop/tls', { type: 'kubernetes.io/tls' })],
      }),
    },
    bad: {
      'a token': [
        world({
          objects: [object('Secret', 'shop/web-token', { type: 'kubernetes.io/service-account-token' })],
        }),
        'Secret shop/web-token',
      ],
    },
  },
  'api-server-reachable': {
    good: {
      'a pod with a token': world({ pods: [web], policies: [TO_API_SERVER], objects: [API_SERVER] }),
      'policies that deny the API server': world({
        pods: [withoutToken],
        policies: [denyAll('shop')],
        objects: [API_SERVER],
      }),
    },
    bad: {
      'policies that allow the API server to a pod without a token': [
        world({ pods: [withoutToken], policies: [TO_API_SERVER], objects: [API_SERVER] }),
        'Deployment shop/web',
      ],
    },
  },
};
