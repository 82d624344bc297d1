/** Parses a path of the API into kind, namespace, name and subresource. Pure. */
import { type Kind, KINDS } from './kinds.ts';
import { noSuchPath } from './status.ts';

export interface Route {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  /** Undefined for the collection. */
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

const PATH =
  /^\/api(?:s\/([^/]+))?\/([^/]+)(?:\/namespaces\/([^/]+)(?=\/[^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;

/** @throws Refusal 404 for a path that the model does not serve */
export function routeOf(path: string): Route {
  const [, group = '', version, namespace, plural, name, subresource] = PATH.exec(path) ?? [];
  // /api/v1/namespaces/NAME/status is a subresource of the Namespace, not an object in it.
  if (group === '' && namespace !== undefined && (plural === 'status' || plural === 'finalize')) {
    return { kind: served('', 'namespaces'), namespace: undefined, name: namespace, subresource: plural };
  }
  const kind = served(group, plural);
  if (kind.version !== version || (!kind.namespaced && namespace !== undefined)) throw noSuchPath();
  return { kind, namespace, name, subresource };
}

function served(group: string, plural: string | undefined): Kind {
  const kind = KINDS.find((each) => each.group === group && each.plural === plural);
  if (kind === undefined) throw noSuchPath();
  return kind;
}

export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The path of an object, or of a collection without `name`. */
export function pathOf({ group, version, plural }: Kind, namespace?: string, name?: string): string {
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection =
    namespace === undefined ? `${base}/${plural}` : `${base}/namespaces/${namespace}/${plural}`;
  return name === undefined ? collection : `${collection}/${name}`;
}
