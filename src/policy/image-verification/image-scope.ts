/** The images that an object of a verifier is for: all, or those that some patterns match. Pure. */

export type ImageScope = { readonly kind: 'all' } | ImagePatterns;

interface ImagePatterns {
  readonly kind: 'some';
  /** The beginnings of images, each of which stands for every image that begins so. */
  readonly prefixes: readonly string[];
  /** The patterns, for messages. */
  readonly text: string;
}

export const ALL_IMAGES: ImageScope = { kind: 'all' };

/** Patterns of policy-controller: `**` stands for any text, `*` for any part of a path. No pattern: no image. */
export function sigstoreScope(globs: readonly string[]): ImageScope {
  return scopeOf(globs, '**');
}

/** Patterns of Kyverno: `*` stands for any text. */
export function kyvernoScope(patterns: readonly string[]): ImageScope {
  return scopeOf(patterns, '*');
}

function scopeOf(patterns: readonly string[], anyText: string): ImageScope {
  if (patterns.includes(anyText)) return ALL_IMAGES;
  const prefixes = patterns
    .filter((pattern) => pattern.endsWith(anyText))
    .map((pattern) => pattern.slice(0, -anyText.length))
    .filter((prefix) => !/[*?]/.test(prefix));
  return { kind: 'some', prefixes, text: patterns.join(', ') };
}

/**
 * True if the scopes together have every image of the place.
 *
 * @param place a host, or a host and the beginning of a path, as `registries` of a profile has them
 */
export function coverPlace(scopes: readonly ImageScope[], place: string): boolean {
  return scopes.some(
    (scope) =>
      scope.kind === 'all' ||
      scope.prefixes.some(
        // The image that is named as the place itself is not below it; a host alone is no image.
        (prefix) => place.startsWith(prefix) || (!place.includes('/') && `${place}/` === prefix),
      ),
  );
}
