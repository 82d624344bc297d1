import type { Check } from '../check.ts';
import { referenceOf } from '../exposure/objects.ts';
import type { Binding } from './permissions.ts';

const MASTERS = 'system:masters';
/** The API server makes it, for the first administrator. */
const BUILT_IN = 'cluster-admin';

export const mastersGroup: Check = {
  id: 'masters-group-bound',
  title: `No binding relies on the group ${MASTERS}`,
  severity: 'medium',
  category: 'Service accounts',
  controls: ['CIS 5.1.7', 'C-0246'],
  why: 'The API server lets members of the group do everything, whatever roles say. Removing a binding takes nothing from them, and their certificates can not be revoked.',
  remedy:
    'Bind a group of your own, and give its certificates or tokens to whoever needs the role. Keep the certificate of the built-in group for emergencies.',
  needs: ['RoleBinding', 'ClusterRoleBinding'],
  run: (context, report) => {
    for (const kind of ['ClusterRoleBinding', 'RoleBinding'] as const) {
      for (const binding of context.snapshot.objects(kind) as readonly Binding[]) {
        const { metadata, subjects = [] } = binding;
        if (!context.audits(binding) || (kind === 'ClusterRoleBinding' && metadata.name === BUILT_IN))
          continue;
        const index = subjects.findIndex((each) => each.kind === 'Group' && each.name === MASTERS);
        if (index < 0) continue;
        report({
          object: referenceOf(kind, binding),
          field: `subjects[${index}]`,
          message: `it names the group ${MASTERS}, whose members no role limits`,
        });
      }
    }
  },
};
