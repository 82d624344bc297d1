/**
 * The ClusterRoles for users that every API server makes, which manifests bind and do not describe. They have the rules that
 * checks ask about; in a cluster the roles themselves are read. Pure.
 */
import type { PolicyRule } from './policy-rule.ts';

const READ = ['get', 'list', 'watch'] as const;
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'] as const;

const rule = (
  apiGroup: string,
  resources: readonly string[],
  ...verbs: readonly (readonly string[])[]
): PolicyRule => ({
  apiGroups: [apiGroup],
  resources,
  verbs: verbs.flat(),
});

const VIEW: readonly PolicyRule[] = [
  rule('', ['configmaps', 'pods', 'replicationcontrollers', 'serviceaccounts', 'services'], READ),
  rule('apps', ['daemonsets', 'deployments', 'replicasets', 'statefulsets'], READ),
  rule('batch', ['cronjobs', 'jobs'], READ),
  rule('networking.k8s.io', ['ingresses', 'networkpolicies'], READ),
];

const EDIT: readonly PolicyRule[] = [
  ...VIEW,
  rule('', ['secrets', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'services/proxy'], READ),
  rule('', ['pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'services/proxy'], WRITE),
  rule('', ['configmaps', 'replicationcontrollers', 'secrets', 'serviceaccounts', 'services'], WRITE),
  rule('', ['serviceaccounts'], ['impersonate']),
  rule('', ['serviceaccounts/token'], ['create']),
  rule('apps', ['daemonsets', 'deployments', 'replicasets', 'statefulsets'], WRITE),
  rule('batch', ['cronjobs', 'jobs'], WRITE),
  rule('networking.k8s.io', ['ingresses', 'networkpolicies'], WRITE),
];

const ADMIN: readonly PolicyRule[] = [
  ...EDIT,
  rule('rbac.authorization.k8s.io', ['rolebindings', 'roles'], READ, WRITE),
];

export const BUILT_IN_ROLES: ReadonlyMap<string, readonly PolicyRule[]> = new Map([
  ['cluster-admin', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]],
  ['admin', ADMIN],
  ['edit', EDIT],
  ['view', VIEW],
]);
