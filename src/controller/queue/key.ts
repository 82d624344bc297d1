/** The keys of the work queue. */

export type Key =
  /** A namespace: its policies, for all profiles that concern it. */
  | { readonly kind: 'namespace'; readonly name: string }
  /** A profile: its finalizer and its status. */
  | { readonly kind: 'profile'; readonly name: string }
  /** The admission bindings that profiles ask for, all together. */
  | { readonly kind: 'admission' }
  /** The bindings that peers by ServiceAccount rely on, all together. */
  | { readonly kind: 'service-accounts' }
  /** The objects that break limits of `spec.workloads`: they are counted for all profiles together. */
  | { readonly kind: 'workloads' };

export const ADMISSION: Key = { kind: 'admission' };
export const SERVICE_ACCOUNTS: Key = { kind: 'service-accounts' };
export const WORKLOADS: Key = { kind: 'workloads' };

export function namespaceKey(name: string): Key {
  return { kind: 'namespace', name };
}

export function profileKey(name: string): Key {
  return { kind: 'profile', name };
}

/** The identity of a key: equal keys have equal strings. Names of namespaces and profiles have no slash. */
export function encodeKey(key: Key): string {
  return 'name' in key ? `${key.kind}/${key.name}` : key.kind;
}
