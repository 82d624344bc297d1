/** The identity that a write names, so that the API server refuses it (409) if the object is another or has changed. */

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** For DeleteOptions, or to be spread into the metadata of an update. A read object has both; a manifest has none. */
export function preconditionsOf({
  metadata: { uid, resourceVersion },
}: {
  readonly metadata: { readonly uid?: string; readonly resourceVersion?: string };
}): Preconditions {
  return { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
}
