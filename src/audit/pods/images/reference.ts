/** Image references, as container runtimes read them (distribution/reference): `HOST/PATH:TAG@DIGEST`. Pure. */

export interface ImageReference {
  /** Host with its port; docker.io if the reference names none. */
  readonly registry: string;
  /** Path without registry, such as `library/nginx`. */
  readonly repository: string;
  /** `latest` if the reference has neither tag nor digest; undefined if it has a digest alone. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

export function parseImage(text: string): ImageReference {
  const [named = '', digest] = text.split('@');
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : digest === undefined ? 'latest' : undefined;
  const name = hasTag ? named.slice(0, colon) : named;
  const [first = '', ...rest] = name.split('/');
  const isHost =
    rest.length > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  if (isHost && first !== 'index.docker.io')
    return { registry: first, repository: rest.join('/'), tag, digest };
  const path = isHost ? rest.join('/') : name;
  return { registry: 'docker.io', repository: path.includes('/') ? path : `library/${path}`, tag, digest };
}

/** True if `allowed`, a `HOST` or `HOST/PATH`, holds the image: compared by whole parts, so that no prefix passes. */
export function isFrom({ registry, repository }: ImageReference, allowed: string): boolean {
  const [host = '', ...path] = allowed.replace(/\/+$/, '').split('/');
  const prefix = path.join('/');
  return registry === host && (prefix === '' || repository === prefix || repository.startsWith(`${prefix}/`));
}
