/** The base images of the Dockerfile, which are defaults of its arguments. Pure. */

export interface Base {
  /** The name of the argument. */
  readonly argument: string;
  /** NAME:TAG, and @DIGEST where it is pinned. */
  readonly reference: string;
  readonly digest: string | undefined;
}

const FROM = /^FROM +(?:--platform=\S+ +)?(\S+)/gm;
const ARGUMENT = /^ARG +(\w+)=(\S+)$/gm;
const DIGEST = /@(sha256:[0-9a-f]{64})$/;

/** In the order in which they are used. @throws Error for a base that is no argument: it could not be pinned elsewhere */
export function basesOf(dockerfile: string): Base[] {
  const defaults = new Map(
    [...dockerfile.matchAll(ARGUMENT)].map(([, name = '', value = '']) => [name, value]),
  );
  return [...dockerfile.matchAll(FROM)].map(([, image = '']) => {
    const argument = /^\$\{(\w+)\}$/.exec(image)?.[1] ?? '';
    const reference = defaults.get(argument);
    if (reference === undefined) throw new Error(`FROM ${image}: write it as an ARG with a default`);
    return { argument, reference, digest: DIGEST.exec(reference)?.[1] };
  });
}

/** The text of the Dockerfile with a new digest for a base. */
export function withDigest(dockerfile: string, { argument, reference }: Base, digest: string): string {
  const pinned = `${reference.replace(DIGEST, '')}@${digest}`;
  return dockerfile.replace(`ARG ${argument}=${reference}\n`, `ARG ${argument}=${pinned}\n`);
}

/** One line for each base without a digest. */
export function unpinned(dockerfile: string): string[] {
  return basesOf(dockerfile)
    .filter(({ digest }) => digest === undefined)
    .map(({ argument, reference }) => `Dockerfile: ${argument}=${reference} has no digest`);
}
