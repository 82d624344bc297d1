/** A rule of a Role or ClusterRole, as it is on the wire. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

export function isAll(list: readonly string[] | undefined): boolean {
  return list?.includes('*') === true;
}

/** Every verb on every resource of every group. */
export function isEverything({ verbs, apiGroups, resources, resourceNames = [] }: PolicyRule): boolean {
  return isAll(verbs) && isAll(apiGroups) && isAll(resources) && resourceNames.length === 0;
}
