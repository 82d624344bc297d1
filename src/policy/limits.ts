/** Size limits of the API server: it refuses a larger policy, and a person has to make the profile smaller. Pure. */
import type { NetworkPolicy } from '../api/network-policy.ts';

/** Most bytes of all annotations of an object (apimachinery, TotalAnnotationSizeLimitB). */
const MAX_ANNOTATIONS = 256 * 1024;
/** Most bytes of a policy. etcd takes 1.5 MiB, and managedFields, which name each field again, have to fit as well. */
const MAX_OBJECT = 1024 * 1024;

/** Why the API server would refuse the policy for its size, and what to do about it; undefined if it is small enough. */
export function excess({ metadata, spec }: NetworkPolicy): string | undefined {
  const annotations = metadata.annotations === undefined ? 0 : bytes(metadata.annotations);
  const object = bytes(spec) + annotations;
  if (annotations <= MAX_ANNOTATIONS && object <= MAX_OBJECT) return undefined;
  const what =
    annotations > MAX_ANNOTATIONS
      ? `${kibibytes(annotations)} of notes on its rules, more than ${kibibytes(MAX_ANNOTATIONS)}`
      : `${kibibytes(object)}, more than ${kibibytes(MAX_OBJECT)}`;
  return (
    `policy ${metadata.name} would have ${what}; use fewer or wider peers in its rules, give rules a podSelector so ` +
    'that they get policies of their own, or divide the profile in two'
  );
}

/** The excess of the first policy that is too large; undefined if all are small enough. */
export function firstExcess(policies: readonly NetworkPolicy[]): string | undefined {
  for (const policy of policies) {
    const message = excess(policy);
    if (message !== undefined) return message;
  }
  return undefined;
}

/** Size as JSON, in bytes. Cached, because compiled policies of many namespaces share their parts. */
function bytes(value: object): number {
  let size = sizes.get(value);
  if (size === undefined) sizes.set(value, (size = Buffer.byteLength(JSON.stringify(value))));
  return size;
}

const sizes = new WeakMap<object, number>();

function kibibytes(size: number): string {
  return `${Math.ceil(size / 1024)} KiB`;
}
