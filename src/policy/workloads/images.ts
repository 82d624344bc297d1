/**
 * Judges the images of a pod by `spec.workloads.images`, as config/workloads/images.yaml does for new pods. Pure.
 *
 * Image references are read as container runtimes read them (distribution/reference): a first part with a dot, a port or
 * a capital letter, or `localhost`, is a host; without a host the image is of docker.io.
 */
import type { ProfileSpec } from '../../api/profile.ts';
import { containersOf, type PodSpec } from './objects.ts';

export type ImageLimits = NonNullable<NonNullable<ProfileSpec['workloads']>['images']>;

interface ImageName {
  readonly image: string;
  /** Host and path, such as `docker.io/library/nginx`. */
  readonly name: string;
  /** `latest` if the reference has no tag. */
  readonly tag: string;
  readonly hasDigest: boolean;
}

/** The cost of the policy's expressions is limited. */
const MAX_IMAGES = 1000;
const DIGEST = /@sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/;

/** The violations of the pod, in words: one for each limit that is broken, naming the first image that breaks it. */
export function imageViolations(limits: ImageLimits, spec: PodSpec): string[] {
  const { registries = [], digest, tags, exempt = [] } = limits;
  const images = imagesOf(spec);
  if (images.length > MAX_IMAGES)
    return [
      `there are more than the ${MAX_IMAGES} images that its workloads.images can judge: use fewer containers`,
    ];
  const judged = images.map(nameOf).filter(({ name }) => !isWithin(name, exempt));
  const foreign = registries.length > 0 ? judged.find(({ name }) => !isWithin(name, registries)) : undefined;
  const undigested = digest === 'Required' ? judged.find(({ hasDigest }) => !hasDigest) : undefined;
  const mistagged = judged.find(({ hasDigest, tag }) => !hasDigest && tags?.deny.includes(tag));
  return [
    ...(foreign
      ? [
          `image ${foreign.image} is from none of its workloads.images.registries: use an image from ${registries.join(', ')}`,
        ]
      : []),
    ...(undigested
      ? [
          `image ${undigested.image} has no digest, which its workloads.images.digest requires: append @sha256:DIGEST`,
        ]
      : []),
    ...(mistagged
      ? [
          `image ${mistagged.image} is used by a tag that its workloads.images.tags.deny names: use the tag of a version, or a digest`,
        ]
      : []),
  ];
}

/** Images of all containers and of image volumes. A template may leave an image to an admission plugin. */
function imagesOf(spec: PodSpec): string[] {
  const volumes = (spec.volumes ?? []).map(({ image }) => image?.reference ?? '');
  return [...containersOf(spec).map(({ image = '' }) => image), ...volumes].filter((image) => image !== '');
}

function nameOf(image: string): ImageName {
  const hasDigest = DIGEST.test(image);
  const path = hasDigest ? image.slice(0, image.lastIndexOf('@')) : image;
  const colon = path.lastIndexOf(':');
  // The colon of a port comes before a slash.
  const hasTag = colon > path.lastIndexOf('/');
  const tag = hasTag ? path.slice(colon + 1) : 'latest';
  return { image, name: withHost(hasTag ? path.slice(0, colon) : path), tag, hasDigest };
}

function withHost(path: string): string {
  const slash = path.indexOf('/');
  const host = slash < 0 ? '' : path.slice(0, slash);
  const isHost = /[.:]/.test(host) || host === 'localhost' || host !== lowerASCII(host);
  if (isHost && host !== 'docker.io' && host !== 'index.docker.io') return path;
  const rest = isHost ? path.slice(slash + 1) : path;
  return `docker.io/${rest.includes('/') ? '' : 'library/'}${rest}`;
}

/** True if the image is one of `places`, or below one of them. */
function isWithin(name: string, places: readonly string[]): boolean {
  return places.some((place) => `${name}/`.startsWith(`${place}/`));
}

function lowerASCII(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
