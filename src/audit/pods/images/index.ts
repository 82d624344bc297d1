/** The checks of images. Image volumes count as images of containers do. */
import { listText } from '../../../util/list-text.ts';
import type { PodSpec } from '../../pod-spec.ts';
import { type PodCheck, podCheck, type Violation } from '../pod-check.ts';
import { containersOf } from '../../pod-spec.ts';
import { type ImageReference, isFrom, parseImage } from './reference.ts';

interface PlacedImage {
  readonly image: ImageReference;
  readonly text: string;
  readonly pullPolicy: string | undefined;
  readonly path: string;
}

/** Images that the spec names; a template may leave an image to an admission plugin. */
function imagesOf(spec: PodSpec): PlacedImage[] {
  const ofContainers = containersOf(spec).map(({ container: { image, imagePullPolicy }, path }) => ({
    text: image,
    pullPolicy: imagePullPolicy,
    path: `${path}.image`,
  }));
  const ofVolumes = (spec.volumes ?? []).map(({ name, image }) => {
    const source = image as { readonly reference?: string; readonly pullPolicy?: string } | undefined;
    return {
      text: source?.reference,
      pullPolicy: source?.pullPolicy,
      path: `volumes[${name}].image.reference`,
    };
  });
  return [...ofContainers, ...ofVolumes].flatMap(({ text = '', ...rest }) =>
    text === '' ? [] : [{ ...rest, text, image: parseImage(text) }],
  );
}

function ofImages(spec: PodSpec, judge: (placed: PlacedImage) => string | undefined): Violation[] {
  return imagesOf(spec).flatMap((placed) => {
    const message = judge(placed);
    return message === undefined ? [] : [{ path: placed.path, message }];
  });
}

const latestImage = podCheck(
  {
    id: 'image-latest',
    title: 'No image is used by the tag latest',
    severity: 'medium',
    controls: ['C-0075', 'NSA/CISA image provenance'],
    why: 'The tag latest is another image every day: nobody knows what runs, and a rollback runs the same.',
    remedy: 'Name a version and, best, its digest: registry.example.com/app:1.2.3@sha256:...',
  },
  ({ spec }) =>
    ofImages(spec, ({ image, text }) =>
      image.tag === 'latest' && image.digest === undefined
        ? `the image ${text} is whatever is latest`
        : undefined,
    ),
);

const imageWithoutDigest = podCheck(
  {
    id: 'image-without-digest',
    title: 'Every image is pinned to a digest',
    severity: 'info',
    controls: ['C-0306', 'NSA/CISA image provenance'],
    why: 'Whoever can write to the registry can move a tag to another image. A digest is the image.',
    remedy: 'Append the digest: registry.example.com/app:1.2.3@sha256:...',
  },
  ({ spec }) =>
    ofImages(spec, ({ image, text }) =>
      // The tag latest has a check of its own.
      image.digest === undefined && image.tag !== 'latest' ? `the image ${text} has no digest` : undefined,
    ),
);

const imageRegistry = podCheck(
  {
    id: 'image-registry',
    title: 'Every image is from an allowed registry',
    severity: 'high',
    controls: ['C-0078', 'C-0001'],
    why: 'An image from elsewhere has passed none of the checks that the allowed registries make.',
    remedy: 'Mirror the image to an allowed registry, or allow its registry.',
  },
  ({ spec, settings: { registries } }) =>
    registries.length === 0
      ? []
      : ofImages(spec, ({ image, text }) =>
          registries.some((allowed) => isFrom(image, allowed))
            ? undefined
            : `the image ${text} is from ${image.registry}/${image.repository}, and not from ${listText(registries)}`,
        ),
);

const imagePullPolicy = podCheck(
  {
    id: 'image-pull-policy',
    title: 'No image of a tag that moves is kept without asking the registry',
    severity: 'low',
    controls: ['C-0075'],
    why: 'With IfNotPresent nodes keep different images under the tag latest; with Never, whatever image has the name on the node runs.',
    remedy: 'Pin the image to a digest and leave imagePullPolicy out.',
  },
  ({ spec }) =>
    ofImages(spec, ({ image, text, pullPolicy }) => {
      if (image.digest !== undefined) return undefined;
      if (pullPolicy === 'Never')
        return `the image ${text} is never pulled: what the node has under its name runs`;
      if (pullPolicy === 'IfNotPresent' && image.tag === 'latest')
        return `nodes keep different images of ${text}`;
      return undefined;
    }),
);

export const IMAGES: readonly PodCheck[] = [latestImage, imageWithoutDigest, imageRegistry, imagePullPolicy];
