/** Reads from the status of an AuthorizationPolicy if istiod has passed it on to the mesh. Pure. */
import type { KubeObject } from '../../../api/meta.ts';

/**
 * istiod's condition about policies for pods without sidecars. Istio 1.24 was the first to write it, and 1.25 the first to
 * write the generation that it is about: without that, it may be about an earlier form of the object.
 */
export const ACCEPTED = 'ZtunnelAccepted';
const SINCE = 'Istio 1.25';

interface WithStatus extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type?: string;
      readonly status?: string;
      readonly message?: string;
      /** A string: Istio writes 64-bit numbers so in JSON. */
      readonly observedGeneration?: string | number;
    }[];
  };
}

/** `awaited`: istiod has said nothing of the object's present form. `undated`: it does not say which form it has accepted. */
export type Acceptance =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'awaited' }
  | { readonly kind: 'undated' }
  | { readonly kind: 'refused'; readonly message: string };

export function acceptanceOf(object: KubeObject): Acceptance {
  const { metadata, status } = object as WithStatus;
  const condition = status?.conditions?.find(({ type }) => type === ACCEPTED);
  if (condition === undefined) return { kind: 'awaited' };
  if (condition.observedGeneration === undefined) return { kind: 'undated' };
  if (Number(condition.observedGeneration) !== metadata.generation) return { kind: 'awaited' };
  return condition.status === 'True'
    ? { kind: 'accepted' }
    : { kind: 'refused', message: condition.message ?? '' };
}

/** Why the objects are not in force yet; undefined if all are accepted. */
export function acceptanceFailure(objects: readonly KubeObject[]): string | undefined {
  const found = objects.map((object) => [object, acceptanceOf(object)] as const);
  const place = ({ metadata: { namespace, name } }: KubeObject) => `AuthorizationPolicy ${namespace}/${name}`;
  for (const [object, acceptance] of found)
    if (acceptance.kind === 'refused') return `istiod refuses ${place(object)}: ${acceptance.message}`;
  const undated = found.find(([, { kind }]) => kind === 'undated')?.[0];
  if (undated !== undefined)
    return (
      `istiod does not say which generation of ${place(undated)} it has accepted (condition ${ACCEPTED}): it is older than ` +
      `${SINCE}, which ambient mode needs`
    );
  const awaited = found.find(([, { kind }]) => kind === 'awaited')?.[0];
  return (
    awaited &&
    `istiod has not accepted ${place(awaited)} yet (condition ${ACCEPTED}, which ${SINCE} and later write)`
  );
}
