/** Checks of what accounts of workloads may do: each names the accesses that it reports. */
import type { Check } from '../check.ts';
import { shortList } from '../../util/list-text.ts';
import { POD_MAKERS } from '../unseen-pods.ts';
import type { Access, Grant } from './permissions.ts';
import { isAll, isEverything } from './policy-rule.ts';
import { allowed, type Power, powerCheck, text } from './power-check.ts';

const WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection'] as const;
const ROLES = ['roles', 'clusterroles'].map((resource) => ({ group: 'rbac.authorization.k8s.io', resource }));
const POLICIES = [
  { group: 'networking.k8s.io', resource: 'networkpolicies' },
  { group: 'segmentation.dev', resource: 'segmentationprofiles' },
  { group: 'policy.networking.k8s.io', resource: 'clusternetworkpolicies' },
  { group: 'cilium.io', resource: 'ciliumnetworkpolicies' },
  { group: 'cilium.io', resource: 'ciliumclusterwidenetworkpolicies' },
  { group: 'projectcalico.org', resource: 'networkpolicies' },
  { group: 'projectcalico.org', resource: 'globalnetworkpolicies' },
] as const;

/** The power over cluster-scoped kinds: a RoleBinding gives none. */
function inCluster(
  { rule, namespace }: Grant,
  verbs: readonly string[],
  resources: readonly Pick<Access, 'group' | 'resource'>[],
): string | undefined {
  return namespace === undefined ? text(allowed(rule, verbs, resources)) : undefined;
}

const POWERS: readonly Power[] = [
  {
    about: {
      id: 'account-cluster-admin',
      title: 'No workload runs as an administrator of the cluster',
      severity: 'critical',
      controls: ['CIS 5.1.1', 'C-0035', 'C-0185'],
      why: 'Whoever takes over one of its pods has the cluster: every Secret, every node, every policy.',
      remedy: 'Bind the account to a role with the verbs and resources that the workload uses.',
    },
    powerOf: ({ rule }) => (isEverything(rule) ? 'may do everything' : undefined),
    inNamespace: 'high',
  },
  {
    about: {
      id: 'account-wildcard',
      title: 'No account of a workload has a role with wildcards',
      severity: 'medium',
      controls: ['CIS 5.1.3', 'C-0187'],
      why: 'A wildcard also gives verbs and kinds that come later, and that nobody has thought of.',
      remedy: 'List the verbs and resources that the workload uses.',
    },
    powerOf: ({ rule }) => {
      const { verbs, apiGroups = [], resources = [] } = rule;
      if (isEverything(rule) || resources.length === 0) return undefined;
      const doing = isAll(verbs) ? 'do everything with' : verbs.join(', ');
      const groups = isAll(apiGroups)
        ? 'every group'
        : apiGroups.map((group) => group || 'the core group').join(', ');
      if (isAll(resources)) return `may ${doing} every resource of ${groups}`;
      return isAll(verbs) ? `may ${doing} ${shortList(resources)} of ${groups}` : undefined;
    },
    inNamespace: 'low',
  },
  {
    about: {
      id: 'account-reads-secrets',
      title: 'No account of a workload may read all Secrets',
      severity: 'high',
      controls: ['CIS 5.1.2', 'C-0015', 'C-0186'],
      why: 'Secrets hold passwords, keys and tokens of other accounts: reading them is becoming somebody else.',
      remedy:
        'Mount the Secrets that the workload needs, or name them in resourceNames, with the verb get alone.',
    },
    powerOf: ({ rule }) =>
      text(allowed(rule, ['get', 'list', 'watch'], [{ group: '', resource: 'secrets' }])),
    inNamespace: 'medium',
  },
  {
    about: {
      id: 'account-executes-in-pods',
      title: 'No account of a workload may execute commands in pods',
      severity: 'high',
      controls: ['C-0002', 'C-0063'],
      why: 'Commands in another pod run with its account, its Secrets and its place in every policy.',
      remedy: 'Remove pods/exec, pods/attach and pods/ephemeralcontainers from its roles.',
    },
    powerOf: ({ rule }) =>
      text([
        ...allowed(
          rule,
          ['create', 'get'],
          [
            { group: '', resource: 'pods/exec' },
            { group: '', resource: 'pods/attach' },
          ],
        ),
        ...allowed(rule, ['update', 'patch'], [{ group: '', resource: 'pods/ephemeralcontainers' }]),
      ]),
    inNamespace: 'medium',
  },
  {
    about: {
      id: 'account-escalates',
      title: 'No account of a workload may give itself more permissions',
      severity: 'critical',
      controls: ['CIS 5.1.8', 'C-0065', 'C-0191'],
      why: 'With escalate, bind or impersonate an account becomes any other, an administrator included.',
      remedy: 'Remove these verbs, or limit them to names by resourceNames.',
    },
    powerOf: ({ rule, namespace }) =>
      text([
        ...allowed(rule, ['escalate', 'bind'], ROLES),
        // Users and groups have no namespace, so that a RoleBinding gives no power over them.
        ...(namespace === undefined
          ? allowed(
              rule,
              ['impersonate'],
              [
                { group: '', resource: 'users' },
                { group: '', resource: 'groups' },
              ],
            )
          : []),
        ...allowed(rule, ['impersonate'], [{ group: '', resource: 'serviceaccounts' }]),
      ]),
    inNamespace: 'high',
  },
  {
    about: {
      id: 'account-writes-policies',
      title: 'No account of a workload may write network policies or profiles',
      severity: 'high',
      controls: ['NSA/CISA network separation'],
      why: 'Whoever takes over one of its pods opens the boundary.',
      remedy: 'Leave policies to profiles and to the pipeline that applies them.',
    },
    powerOf: ({ rule }) => text(allowed(rule, WRITES, POLICIES)),
    inNamespace: 'medium',
  },
  {
    about: {
      id: 'account-creates-pods',
      title: 'No account of a workload may create pods',
      severity: 'medium',
      controls: ['CIS 5.1.4', 'C-0188'],
      why: 'A new pod may run under any account of its namespace, mount any Secret there, and have any label that a policy trusts.',
      remedy:
        'Remove the verb create on pods, and on what becomes pods, or limit the account to a namespace of its own.',
    },
    powerOf: ({ rule }) => text(allowed(rule, ['create'], POD_MAKERS)),
    inNamespace: 'low',
  },
  {
    about: {
      id: 'account-creates-volumes',
      title: 'No account of a workload may create PersistentVolumes',
      severity: 'medium',
      controls: ['CIS 5.1.9', 'C-0278'],
      why: 'A PersistentVolume may be a path of a node, which a pod that may not mount one itself reaches by a claim.',
      remedy: 'Leave volumes to the provisioner of a StorageClass, and let workloads create claims.',
    },
    powerOf: (grant) => inCluster(grant, ['create'], [{ group: '', resource: 'persistentvolumes' }]),
  },
  {
    about: {
      id: 'account-reaches-kubelets',
      title: 'No account of a workload may reach kubelets by the API server',
      severity: 'high',
      controls: ['CIS 5.1.10', 'C-0279'],
      why: 'The kubelet executes commands in every pod of its node for whoever has nodes/proxy, and no audit log of the API server shows them.',
      remedy: 'Replace nodes/proxy by nodes/metrics, nodes/stats, nodes/log or nodes/healthz.',
    },
    powerOf: (grant) =>
      inCluster(
        grant,
        ['get', 'create', 'update', 'patch', 'delete'],
        [{ group: '', resource: 'nodes/proxy' }],
      ),
  },
  {
    about: {
      id: 'account-approves-certificates',
      title: 'No account of a workload may approve certificates of clients',
      severity: 'medium',
      controls: ['CIS 5.1.11', 'C-0280'],
      why: 'With an approved request somebody has a certificate of another user or node, which nobody can revoke.',
      remedy: 'Remove the update of certificatesigningrequests/approval, or the verb approve on signers.',
    },
    powerOf: (grant) =>
      inCluster(
        grant,
        ['update', 'patch'],
        [{ group: 'certificates.k8s.io', resource: 'certificatesigningrequests/approval' }],
      ),
  },
  {
    about: {
      id: 'account-writes-webhooks',
      title: 'No account of a workload may write admission webhooks',
      severity: 'medium',
      controls: ['CIS 5.1.12', 'C-0281'],
      why: 'A webhook reads and changes what everybody writes, Secrets and pods included, and lets through what others refuse.',
      remedy: 'Name the webhook configurations that the workload keeps up in resourceNames.',
    },
    powerOf: (grant) =>
      inCluster(
        grant,
        ['create', 'update', 'patch'],
        ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'].map((resource) => ({
          group: 'admissionregistration.k8s.io',
          resource,
        })),
      ),
  },
  {
    about: {
      id: 'account-creates-tokens',
      title: 'No account of a workload may create tokens of other accounts',
      severity: 'high',
      controls: ['CIS 5.1.13', 'C-0282'],
      why: 'With a token of another account a workload becomes that account.',
      remedy: 'Name the accounts in resourceNames.',
    },
    powerOf: ({ rule }) =>
      text(allowed(rule, ['create'], [{ group: '', resource: 'serviceaccounts/token' }])),
    inNamespace: 'medium',
  },
];

export const POWER_CHECKS: readonly Check[] = POWERS.map(powerCheck);
