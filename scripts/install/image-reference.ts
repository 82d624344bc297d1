/** Reads the reference of a container image: NAME[:TAG][@DIGEST]. */

/** In the form of a kustomization. */
export interface ImageReference {
  readonly newName: string;
  readonly newTag?: string;
  readonly digest?: string;
}

const REFERENCE =
  /^(?<newName>[a-z0-9.-]+(?::\d+)?(?:\/[a-z0-9._-]+)*)(?::(?<newTag>\w[\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;

/** @throws Error for a text that is no reference, or that pins nothing */
export function parseImage(text: string): ImageReference {
  const { newName, newTag, digest } = REFERENCE.exec(text)?.groups ?? {};
  if (newName === undefined) {
    throw new Error(
      `${text} is no image: write NAME:TAG or NAME@sha256:..., such as example.com/operator:v1.2.3`,
    );
  }
  if (newTag === undefined && digest === undefined) {
    throw new Error(`${text} has neither tag nor digest: the image could change without notice`);
  }
  // kustomize takes one of the two, and the digest is more exact.
  return { newName, ...(digest === undefined ? { newTag: newTag ?? '' } : { digest }) };
}
