/**
 * The permissions of service accounts, worked out from roles and bindings as the API server does it: by account, by groups of
 * accounts, with aggregated ClusterRoles. Other authorizers (webhooks, nodes) are not known here. Pure.
 */
import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import { matches } from '../../policy/semantics/selector.ts';
import type { ObjectReference } from '../finding.ts';
import type { AuditSnapshot } from '../snapshot.ts';
import { BUILT_IN_ROLES } from './built-in-roles.ts';
import type { PolicyRule } from './policy-rule.ts';

export interface Role extends KubeObject {
  readonly rules?: readonly PolicyRule[] | null;
  readonly aggregationRule?: { readonly clusterRoleSelectors?: readonly LabelSelector[] };
}

interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface Binding extends KubeObject {
  readonly subjects?: readonly Subject[];
  readonly roleRef: { readonly kind: string; readonly name: string };
}

export interface Account {
  readonly namespace: string;
  readonly name: string;
}

/** A rule that an account has by a binding. */
export interface Grant {
  readonly rule: PolicyRule;
  readonly role: ObjectReference;
  readonly binding: ObjectReference;
  /** Absent: in all namespaces, and for cluster-scoped kinds. */
  readonly namespace?: string;
  /** True if the binding names the account itself, and not a group of accounts. */
  readonly isDirect: boolean;
}

export interface Access {
  readonly verb: string;
  /** '' for the core group. */
  readonly group: string;
  /** `pods`, or `pods/exec`. */
  readonly resource: string;
  /** Absent for lists, and for any name. */
  readonly name?: string;
  /** Absent: in all namespaces. */
  readonly namespace?: string;
}

/** True if the rule allows the access, wherever its binding is. */
export function ruleAllows(rule: PolicyRule, { verb, group, resource, name }: Access): boolean {
  const { verbs, apiGroups = [], resources = [], resourceNames = [] } = rule;
  const [, subresource] = resource.split('/');
  const has = (list: readonly string[], value: string) => list.includes('*') || list.includes(value);
  return (
    has(verbs, verb) &&
    has(apiGroups, group) &&
    (has(resources, resource) || (subresource !== undefined && resources.includes(`*/${subresource}`))) &&
    (resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name)))
  );
}

export class Permissions {
  readonly #clusterRoles: ReadonlyMap<string, Role>;
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #bindings: readonly Binding[];
  readonly #bySubject = new Map<string, Binding[]>();
  readonly #aggregated = new Map<string, readonly PolicyRule[]>();

  constructor({ objects }: Pick<AuditSnapshot, 'objects'>) {
    this.#clusterRoles = new Map(
      (objects('ClusterRole') as readonly Role[]).map((role) => [role.metadata.name, role]),
    );
    this.#roles = new Map(
      (objects('Role') as readonly Role[]).map((role) => [
        `${role.metadata.namespace}/${role.metadata.name}`,
        role,
      ]),
    );
    this.#bindings = [...objects('ClusterRoleBinding'), ...objects('RoleBinding')] as Binding[];
    for (const binding of this.#bindings) {
      for (const subject of binding.subjects ?? []) {
        const key = subjectKey(subject, binding.metadata.namespace);
        const others = this.#bySubject.get(key);
        if (others === undefined) this.#bySubject.set(key, [binding]);
        else if (others.at(-1) !== binding) others.push(binding);
      }
    }
  }

  grantsOf(account: Account): Grant[] {
    const { namespace } = account;
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
    const bindings = new Map<Binding, boolean>();
    for (const key of groups.map((group) => `Group ${group}`))
      for (const each of this.#bySubject.get(key) ?? []) bindings.set(each, false);
    for (const each of this.#directBindings(account)) bindings.set(each, true);
    return [...bindings].flatMap(([binding, isDirect]) => this.#grants(binding, isDirect));
  }

  /** True if a binding names the account itself, and a role that is not known: manifests bind roles of others. */
  hasUnknownRole(account: Account): boolean {
    return this.#directBindings(account).some(
      ({ metadata, roleRef: { kind, name } }) =>
        !(kind === 'Role'
          ? this.#roles.has(`${metadata.namespace}/${name}`)
          : this.#clusterRoles.has(name) || BUILT_IN_ROLES.has(name)),
    );
  }

  #directBindings({ namespace, name }: Account): Binding[] {
    const keys = [
      `ServiceAccount ${namespace}/${name}`,
      // A manifest may leave the namespace to whoever builds upon it; a cluster refuses such a ClusterRoleBinding.
      `ServiceAccount /${name}`,
      `User system:serviceaccount:${namespace}:${name}`,
    ];
    return keys.flatMap((key) => this.#bySubject.get(key) ?? []);
  }

  allows(account: Account, access: Access): boolean {
    return this.grantsOf(account).some(
      ({ rule, namespace }) =>
        (namespace === undefined || namespace === access.namespace) && ruleAllows(rule, access),
    );
  }

  #grants(binding: Binding, isDirect: boolean): Grant[] {
    const { metadata, roleRef } = binding;
    const { namespace, name } = metadata;
    const isLocal = roleRef.kind === 'Role';
    const rules = isLocal
      ? (this.#roles.get(`${namespace}/${roleRef.name}`)?.rules ?? [])
      : this.#rulesOf(roleRef.name);
    const kind = namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding';
    const within = namespace === undefined ? {} : { namespace };
    const role = { kind: roleRef.kind, name: roleRef.name, ...(isLocal && within) };
    return rules.map((rule) => ({ rule, role, binding: { kind, name, ...within }, isDirect, ...within }));
  }

  /** The rules of a ClusterRole; of an aggregated one, those of the ClusterRoles that its selectors match. */
  #rulesOf(name: string, among: ReadonlySet<string> = new Set()): readonly PolicyRule[] {
    const known = this.#aggregated.get(name);
    if (known !== undefined) return known;
    const role = this.#clusterRoles.get(name);
    if (role === undefined) return BUILT_IN_ROLES.get(name) ?? [];
    const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
    if (selectors.length === 0) return role.rules ?? [];
    const within = new Set([...among, name]);
    const rules = [...this.#clusterRoles.values()]
      .filter(({ metadata }) => !within.has(metadata.name))
      .filter(({ metadata }) => selectors.some((selector) => matches(selector, metadata.labels ?? {})))
      .flatMap(({ metadata }) => this.#rulesOf(metadata.name, within));
    // Within a circle of roles, the rules are complete for the first of them only.
    if (among.size === 0) this.#aggregated.set(name, rules);
    return rules;
  }
}

/** An account without namespace is one of the RoleBinding's namespace. */
function subjectKey({ kind, namespace, name }: Subject, bindingNamespace = ''): string {
  return kind === 'ServiceAccount'
    ? `ServiceAccount ${namespace || bindingNamespace}/${name}`
    : `${kind} ${name}`;
}
