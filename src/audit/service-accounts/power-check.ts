/** A check of a power that accounts of workloads have at the API server, by the rules that give it. Pure. */
import { objectText, type Severity } from '../finding.ts';
import type { Check } from '../check.ts';
import { shortList } from '../../util/list-text.ts';
import { type Access, type Grant, Permissions, ruleAllows } from './permissions.ts';
import { isEverything, type PolicyRule } from './policy-rule.ts';
import { workloadAccounts } from './workload-accounts.ts';

export interface Power {
  readonly about: Omit<Check, 'category' | 'needs' | 'run'>;
  /** The power that the rule gives, as in `may read Secrets`; undefined if it does not give the power. */
  readonly powerOf: (grant: Grant) => string | undefined;
  /** The severity of a grant that is limited to one namespace; the check's if absent. */
  readonly inNamespace?: Severity;
}

/** The verbs among `verbs` that the rule allows on any of the resources, by any name. */
export function allowed(
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

export function text(found: readonly string[]): string | undefined {
  return found.length === 0 ? undefined : `may ${shortList(found)}`;
}

export function powerCheck({ about, powerOf, inNamespace = about.severity }: Power): Check {
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
