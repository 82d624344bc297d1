/** The input and the statements of the verifiers of images: objects of a cluster, and what each of them verifies. Pure. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { type Raw, recordOf } from '../semantics/raw.ts';
import type { ImageScope } from './image-scope.ts';
import type { VerifierKindName } from './kinds.ts';

export const WEBHOOK_KINDS = ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'] as const;

export type EvidenceKind = VerifierKindName | (typeof WEBHOOK_KINDS)[number];

export interface Evidence {
  /** The objects of the kind; none if the cluster does not serve it. */
  readonly objects: (kind: EvidenceKind) => readonly KubeObject[];
}

export interface PlacedNamespace {
  readonly name: string;
  /** With the label of its name. */
  readonly labels: StringMap;
}

/** The effect of a verifier's object on the pods of a namespace. `by` names the object. */
export type Claim = { readonly by: string } & (
  | { readonly kind: 'verifies'; readonly scope: ImageScope }
  /** The object is there, and refuses no image. */
  | { readonly kind: 'ineffective'; readonly why: string }
  /** The effect depends on facts that are not known here. */
  | { readonly kind: 'unclear'; readonly why: string }
);

/** Undefined if the object is not for the namespace. */
export type ClaimOn = (namespace: PlacedNamespace) => Claim | undefined;

/** The answer to a question about an object, part of which may not be understood here. */
export type Answer = 'yes' | 'no' | 'unclear';

/** `yes` if one of the answers is; else `unclear` if one of them is. */
export function anyOf(answers: readonly Answer[]): Answer {
  if (answers.includes('yes')) return 'yes';
  return answers.includes('unclear') ? 'unclear' : 'no';
}

/** `no` if one of the answers is; else `unclear` if one of them is. */
export function allOf(answers: readonly Answer[]): Answer {
  if (answers.includes('no')) return 'no';
  return answers.includes('unclear') ? 'unclear' : 'yes';
}

export function specOf(object: KubeObject): Raw {
  return recordOf((object as KubeObject & Raw)['spec']);
}
