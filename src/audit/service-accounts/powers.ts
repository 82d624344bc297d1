/** Checks of what accounts of workloads may do: each names the accesses that it reports. */
import { objectText, type Severity } from '../finding.ts';
import type { Check } from '../check.ts';
import { shortList } from '../../util/list-text.ts';
import { type Access, type Grant, Permissions, type PolicyRule, ruleAllows } from './permissions.ts';
import { workloadAccounts } from './workload-accounts.ts';

interface Power {
  readonly about: Omit<Check, 'category' | 'needs' | 'run'>;
  /** The power that the rule gives, as in `may read Secrets`; undefined if it does not give the power. */
  readonly powerOf: (grant: Grant) => string | undefined;
  /** The severity of a grant that is limited to one namespace; the check's if absent. */
  readonly inNamespace?: Severity;
}

function isAll(list: readonly string[] | undefined): boolean {
  return list?.includes('*') === true;
}

/** Every verb on every resource of every group. */
function isEverything({ verbs, apiGroups, resources, resourceNames = [] }: PolicyRule): boolean {
  return isAll(verbs) && isAll(apiGroups) && isAll(resources) && resourceNames.length === 0;
}

/** The verbs among `verbs` that the rule allows on any of the resources, by any name. */
function allowed(
  rule: PolicyRule,
  verbs: readonly string[],
  resources: readonly Pick<Access, 'group' | 'resource'>[],
): string[] {
  // A wildcard over everything has a check of its own.
  if (isEverything(rule) || (rule.resourceNames ?? []).length > 0) return [];
  return resources.flatMap(({ group, resource }) => {
    const found = verbs.filter((verb) => ruleAllows(rule, { verb, group, resource }));
    return found.length === 0 ? [] : [`${found.join(', ')} ${resource}`];
  });
}

function text(found: readonly string[]): string | undefined {
  return found.length === 0 ? undefined : `may ${shortList(found)}`;
}

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
];

function check({ about, powerOf, inNamespace = about.severity }: Power): Check {
  return {
    ...about,
    category: 'Service accounts',
    needs: ['Pod', 'Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'],
    run: (context, report) => {
      const permissions = new Permissions(context.snapshot);
      for (const account of workloadAccounts(context)) {
        const byBinding = new Map<string, Grant & { readonly power: string }>();
        for (const grant of permissions.grantsOf(account)) {
          const power = powerOf(grant);
          const key = objectText(grant.binding);
          if (power !== undefined && !byBinding.has(key)) byBinding.set(key, { ...grant, power });
        }
        for (const { power, role, binding, namespace } of byBinding.values()) {
          report({
            object: account.object,
            field: objectText(binding),
            severity: namespace === undefined ? about.severity : inNamespace,
            message: `it ${power}${namespace === undefined ? '' : ` in ${namespace}`}, by ${objectText(role)}; ${account.usedBy} under it`,
          });
        }
      }
    },
  };
}

export const POWER_CHECKS: readonly Check[] = POWERS.map(check);
