/** Reads from the status of an AuthorizationPolicy if istiod has passed it on to the mesh. Pure. */
import type { KubeObject } from '../../../api/meta.ts';

/** istiod's condition about policies for pods without sidecars. */
const ACCEPTED = 'ZtunnelAccepted';

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

/** `awaited`: istiod has said nothing of the object's present form. */
export type Acceptance =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'awaited' }
  | { readonly kind: 'refused'; readonly message: string };

export function acceptanceOf(object: KubeObject): Acceptance {
  const { metadata, status } = object as WithStatus;
  const condition = status?.conditions?.find(({ type }) => type === ACCEPTED);
  if (condition === undefined || Number(condition.observedGeneration) !== metadata.generation)
    return { kind: 'awaited' };
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
  const awaited = found.find(([, { kind }]) => kind === 'awaited')?.[0];
  return awaited && `istiod has not accepted ${place(awaited)} yet (its condition ${ACCEPTED})`;
}
