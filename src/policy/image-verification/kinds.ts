/** The kinds of objects by which known tools verify the signatures of images. Pure. */

export interface VerifierKind {
  /** The name by which the project knows the kind. */
  readonly kind: string;
  /** The kind on the wire, if it has another name. */
  readonly wireKind?: string;
  readonly group: string;
  /** Known versions, the oldest first. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly namespaced: boolean;
}

export type VerifierKindName =
  | 'ClusterImagePolicy'
  | 'ImageValidatingPolicy'
  | 'NamespacedImageValidatingPolicy'
  | 'KyvernoClusterPolicy'
  | 'KyvernoPolicy'
  | 'RatifyVerifier'
  | 'RatifyVerification';

export const VERIFIER_KINDS: readonly (VerifierKind & { readonly kind: VerifierKindName })[] = [
  {
    kind: 'ClusterImagePolicy',
    group: 'policy.sigstore.dev',
    versions: ['v1alpha1', 'v1beta1'],
    plural: 'clusterimagepolicies',
    namespaced: false,
  },
  {
    kind: 'ImageValidatingPolicy',
    group: 'policies.kyverno.io',
    versions: ['v1alpha1', 'v1beta1', 'v1'],
    plural: 'imagevalidatingpolicies',
    namespaced: false,
  },
  {
    kind: 'NamespacedImageValidatingPolicy',
    group: 'policies.kyverno.io',
    versions: ['v1beta1', 'v1'],
    plural: 'namespacedimagevalidatingpolicies',
    namespaced: true,
  },
  {
    kind: 'KyvernoClusterPolicy',
    wireKind: 'ClusterPolicy',
    group: 'kyverno.io',
    versions: ['v1'],
    plural: 'clusterpolicies',
    namespaced: false,
  },
  {
    kind: 'KyvernoPolicy',
    wireKind: 'Policy',
    group: 'kyverno.io',
    versions: ['v1'],
    plural: 'policies',
    namespaced: true,
  },
  {
    kind: 'RatifyVerifier',
    wireKind: 'Verifier',
    group: 'config.ratify.deislabs.io',
    versions: ['v1beta1'],
    plural: 'verifiers',
    namespaced: false,
  },
  // The constraint of Gatekeeper by which Ratify's own library asks for verified images.
  {
    kind: 'RatifyVerification',
    group: 'constraints.gatekeeper.sh',
    versions: ['v1beta1'],
    plural: 'ratifyverifications',
    namespaced: false,
  },
];
