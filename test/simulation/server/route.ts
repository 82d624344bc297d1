// What a path of the API names.
import { type Kind, KINDS } from './kinds.ts';
import { noSuchPath } from './status.ts';

export interface Route {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  /** Absent: the collection. */
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

const PATH =
  /^\/api(?:s\/([^/]+))?\/([^/]+)(?:\/namespaces\/([^/]+)(?=\/[^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;

/** @throws Refusal 404 for what is not served */
export function routeOf(path: string): Route {
  const [, group = '', version, namespace, plural, name, subresource] = PATH.exec(path) ?? [];
  // /api/v1/namespaces/NAME/status is of the namespace itself.
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
