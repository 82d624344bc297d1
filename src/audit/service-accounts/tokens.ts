/** Checks of the tokens that pods hold, and of those in Secrets. */
import { compileView } from '../../analysis/evaluator.ts';
import { networkPodOf } from '../../analysis/cluster.ts';
import type { KubeObject } from '../../api/meta.ts';
import { ipFamily } from '../../policy/semantics/cidr.ts';
import type { Check } from '../check.ts';
import { type AuditContext, workloadsOf } from '../context.ts';
import { referenceOf } from '../exposure/objects.ts';
import type { AuditPod } from '../snapshot.ts';
import { Permissions } from './permissions.ts';
import { Tokens, workloadAccounts } from './workload-accounts.ts';

const TOKEN_SECRET = 'kubernetes.io/service-account-token';
const ACCOUNT_ANNOTATION = 'kubernetes.io/service-account.name';

/** Groups of accounts have permissions too, but only to ask about the API, unless somebody has added some. */
function isNamed(account: { namespace: string; name: string }, permissions: Permissions): boolean {
  return permissions.grantsOf(account).some(({ isDirect }) => isDirect);
}

export const tokenWithoutPermissions: Check = {
  id: 'token-without-permissions',
  title: 'No pod holds a token that it has no use for',
  severity: 'low',
  category: 'Service accounts',
  controls: ['CIS 5.1.5', 'CIS 5.1.6', 'C-0034', 'C-0190', 'C-0261'],
  why: 'The token says to the API server who the pod is. An intruder can use it for whatever its account is given later.',
  remedy: 'Set automountServiceAccountToken: false in the pod, or for the account.',
  needs: ['Pod', 'ServiceAccount', 'RoleBinding', 'ClusterRoleBinding', 'Role', 'ClusterRole'],
  run: (context, report) => {
    const [permissions, tokens] = [new Permissions(context.snapshot), new Tokens(context)];
    for (const account of workloadAccounts(context)) {
      // An account that no manifest describes has its bindings elsewhere, and a binding may have its role there.
      const isElsewhere =
        !context.snapshot.isComplete && (!tokens.isDescribed(account) || permissions.hasUnknownRole(account));
      if (isElsewhere || isNamed(account, permissions)) continue;
      for (const workload of workloadsOf(account.pods.filter((pod) => tokens.isMounted(pod)))) {
        report({
          object: workload,
          field: 'automountServiceAccountToken',
          message: `its pods hold a token of ServiceAccount ${account.name}, which no binding gives a permission`,
        });
      }
    }
  },
};

export const defaultAccount: Check = {
  id: 'default-account-permissions',
  title: 'The account default has no permissions',
  severity: 'medium',
  category: 'Service accounts',
  controls: ['CIS 5.1.5', 'C-0189'],
  why: 'Every pod of the namespace that names no account of its own has these permissions.',
  remedy: 'Make an account for the workload that needs them, and bind that.',
  needs: ['RoleBinding', 'ClusterRoleBinding', 'Role', 'ClusterRole'],
  run: (context, report) => {
    const permissions = new Permissions(context.snapshot);
    for (const { name: namespace } of context.namespaces) {
      const bindings = new Map(
        permissions
          .grantsOf({ namespace, name: 'default' })
          .flatMap(({ isDirect, binding }) =>
            isDirect ? [[`${binding.kind} ${binding.name}`, binding]] : [],
          ),
      );
      for (const [name] of bindings) {
        report({
          object: { kind: 'ServiceAccount', namespace, name: 'default' },
          field: name,
          message: `${name} gives permissions to every pod that names no account`,
        });
      }
    }
  },
};

export const longLivedToken: Check = {
  id: 'long-lived-token',
  title: 'No Secret holds a token that never ends',
  severity: 'medium',
  category: 'Service accounts',
  controls: ['CIS 5.1.6', 'C-0034'],
  why: 'Whoever has read the Secret once is that account until somebody deletes it. Tokens in pods end after an hour.',
  remedy: 'Delete the Secret, and ask for tokens by kubectl create token, or by a projected volume.',
  needs: ['Secret'],
  run: (context, report) => {
    for (const secret of context.snapshot.objects('Secret') as readonly (KubeObject & {
      readonly type?: string;
    })[]) {
      if (secret.type !== TOKEN_SECRET || !context.audits(secret)) continue;
      const account = secret.metadata.annotations?.[ACCOUNT_ANNOTATION] ?? 'an account';
      report({
        object: referenceOf('Secret', secret),
        message: `it holds a token of ServiceAccount ${account} that never ends`,
      });
    }
  },
};

interface RawEndpointSlice extends KubeObject {
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[] | null;
  readonly ports?: readonly { readonly port?: number }[] | null;
}

/** True if the pod's policies allow it to reach an address of the API server; undefined if none is known. */
function apiServerAccess(context: AuditContext): ((pod: AuditPod) => boolean) | undefined {
  const slices = (context.snapshot.objects('EndpointSlice') as readonly RawEndpointSlice[]).filter(
    ({ metadata }) =>
      metadata.namespace === 'default' && metadata.labels?.['kubernetes.io/service-name'] === 'kubernetes',
  );
  const ends = slices.flatMap(({ endpoints, ports }) =>
    (endpoints ?? []).flatMap(({ addresses = [] }) =>
      addresses.flatMap((ip) => (ports ?? []).map(({ port = 443 }) => ({ ip, port }))),
    ),
  );
  if (ends.length === 0) return undefined;
  const evaluator = compileView(context.snapshot);
  return (pod) =>
    ends.some(({ ip, port }) => {
      const family = ipFamily(ip);
      const on = { port, protocol: 'TCP', ...(family && { family }) } as const;
      return evaluator.allows('Egress', pod, { kind: 'external', ip }, on);
    });
}

export const tokenWithoutApiServer: Check = {
  id: 'token-without-api-server',
  title: 'No pod holds a token while its policies deny the API server',
  severity: 'info',
  category: 'Service accounts',
  controls: ['CIS 5.1.6', 'C-0034'],
  why: 'Either the workload has no use for its token, or it fails as it can not reach the API server.',
  remedy:
    'Set automountServiceAccountToken: false, or allow the API server (entity KubeAPIServer in a profile).',
  needs: [
    'Pod',
    'NetworkPolicy',
    'ServiceAccount',
    'EndpointSlice',
    'RoleBinding',
    'ClusterRoleBinding',
    'Role',
    'ClusterRole',
  ],
  run: (context, report) => {
    const reaches = apiServerAccess(context);
    if (reaches === undefined) return;
    const [permissions, tokens] = [new Permissions(context.snapshot), new Tokens(context)];
    for (const account of workloadAccounts(context)) {
      // Tokens without permissions have a check of their own.
      if (!isNamed(account, permissions)) continue;
      for (const workload of workloadsOf(
        account.pods.filter((pod) => tokens.isMounted(pod) && !reaches(pod)),
      )) {
        report({
          object: workload,
          field: 'automountServiceAccountToken',
          message: `its pods hold a token of ServiceAccount ${account.name}, and their policies deny the API server`,
        });
      }
    }
  },
};

/** Pods that are not isolated for egress have a check of their own. */
export const apiServerReachable: Check = {
  id: 'api-server-reachable',
  title: 'No isolated pod without a token reaches the API server',
  severity: 'info',
  category: 'Exposure',
  controls: ['NSA/CISA network separation'],
  why: 'The pod does not need the API server, and an intruder could attack it or use a stolen token there.',
  remedy: 'Remove the API server from the egress rules (baseline.kubeAPIServer: Deny in a profile).',
  needs: ['Pod', 'NetworkPolicy', 'ServiceAccount', 'EndpointSlice'],
  run: (context, report) => {
    const reaches = apiServerAccess(context);
    if (reaches === undefined) return;
    const tokens = new Tokens(context);
    for (const { name } of context.namespaces) {
      const isolated = context.coverageOf(name)?.egress.isolated ?? [];
      const found = isolated.filter(
        (pod) => networkPodOf({ kind: 'pod', pod }) !== undefined && !tokens.isMounted(pod) && reaches(pod),
      );
      for (const workload of workloadsOf(found)) {
        report({
          object: workload,
          message: 'its pods hold no token, and their policies allow the API server',
        });
      }
    }
  },
};
