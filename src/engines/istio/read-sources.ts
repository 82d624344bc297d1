/** The sources of a rule of an AuthorizationPolicy: the pods and addresses that they match, or may match. Pure. */
import { listOf, type Raw, recordOf, textsOf } from '../../policy/semantics/raw.ts';
import { containsAddress, parseAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import { type Candidate, type EnginePeer, OUTSIDE, type PodMatcher } from '../layers/engine-policy.ts';
import { membershipOf } from './membership.ts';

export interface Sources {
  /** The sources that match. */
  readonly certain: readonly EnginePeer[] | 'any';
  /** The sources that match, and the ones that may match. */
  readonly possible: readonly EnginePeer[] | 'any';
  /** The parts of sources that can't be evaluated. */
  readonly unknown: readonly string[];
}

type Match = 'yes' | 'no' | 'maybe';

/** In policies, it stands for the trust domain of the mesh, whatever that is. */
const LOCAL = 'cluster.local';

/** Fields by an identity that only mutual TLS proves. */
const IDENTITY = ['principals', 'namespaces', 'serviceAccounts'] as const;
const ADDRESSES = ['ipBlocks', 'notIpBlocks'];
const NEGATED = IDENTITY.map((field) => `not${field.charAt(0).toUpperCase()}${field.slice(1)}`);

export interface SourceContext {
  /** The namespace of the policy. */
  readonly namespace: string;
  /** The proxies whose identities the destination certainly knows: those of its own kind. Others may send without. */
  readonly identified: 'member' | 'ambient';
}

export function sourcesOf(from: readonly unknown[], context: SourceContext): Sources {
  const all = from
    .map((each) => recordOf(recordOf(each)['source']))
    .map((source) => new SourceReader(source, context));
  if (all.length === 0) return { certain: 'any', possible: 'any', unknown: [] };
  return {
    certain: all.flatMap((each) => each.peers(['yes'])),
    possible: all.flatMap((each) => each.peers(['yes', 'maybe'])),
    unknown: [...new Set(all.flatMap((each) => each.unknown))],
  };
}

class SourceReader {
  readonly unknown: readonly string[];
  readonly #source: Raw;
  readonly #context: SourceContext;
  readonly #blocks: readonly string[];
  readonly #holes: readonly string[];

  constructor(source: Raw, context: SourceContext) {
    const known: readonly string[] = [...IDENTITY, ...NEGATED, ...ADDRESSES];
    this.#source = source;
    this.#context = context;
    this.#blocks = textsOf(source['ipBlocks']).map(withPrefix);
    this.#holes = textsOf(source['notIpBlocks']).map(withPrefix);
    this.unknown = Object.keys(source).filter(
      (field) => !known.includes(field) && listOf(source[field]).length > 0,
    );
  }

  peers(accepted: readonly Match[]): EnginePeer[] {
    const isAccepted = (match: Match) => accepted.includes(match);
    const addresses = this.#isOfAddresses() && isAccepted(this.#ofAddress()) ? this.#addresses() : [];
    const matcher: PodMatcher = (candidate) => isAccepted(this.#ofPod(candidate));
    return [Object.assign(matcher, { namespace: this.#namespace() }), ...addresses];
  }

  /** The only namespace whose pods can be the source, if a field names no other one. */
  #namespace(): string | undefined {
    for (const field of IDENTITY) {
      const named = textsOf(this.#source[field]).map((text) => this.#namespaceIn(field, text));
      const [first, ...others] = new Set(named);
      if (first !== undefined && others.length === 0) return first;
    }
    return undefined;
  }

  /** The namespace of all pods that a text of a field can name; undefined if there may be several. */
  #namespaceIn(field: (typeof IDENTITY)[number], text: string): string | undefined {
    switch (field) {
      case 'namespaces':
        return text.includes('*') ? undefined : text;
      case 'serviceAccounts':
        return text.includes('/') ? text.split('/')[0] : this.#context.namespace;
      case 'principals':
        return /^(?:\*|[^/*]+)\/ns\/([^/*]+)\/sa\//.exec(text)?.[1];
    }
  }

  /** An address has no identity. */
  #isOfAddresses(): boolean {
    return IDENTITY.every((field) => !this.#has(field));
  }

  #ofAddress(): Match {
    return this.unknown.length > 0 ? 'maybe' : 'yes';
  }

  #addresses(): EnginePeer[] {
    const blocks = this.#blocks.length > 0 ? this.#blocks : OUTSIDE.map(({ cidr }) => cidr);
    return blocks.map((cidr) => ({
      cidr,
      isOutside: true,
      ...(this.#holes.length > 0 && { except: this.#holes }),
    }));
  }

  #ofPod(candidate: Candidate): Match {
    return combined([
      ...IDENTITY.filter((field) => this.#has(field)).map((field) =>
        this.#byIdentity(field, field, candidate),
      ),
      ...IDENTITY.map((field, index) => [field, NEGATED[index] ?? ''] as const)
        .filter(([, negated]) => this.#has(negated))
        .map(([field, negated]) => this.#byIdentity(field, negated, candidate)),
      ...(this.#blocks.length > 0 ? [inBlocks(candidate, this.#blocks)] : []),
      ...(this.#holes.length > 0 ? [inverted(inBlocks(candidate, this.#holes))] : []),
      ...(this.unknown.length > 0 ? (['maybe'] as const) : []),
    ]);
  }

  #byIdentity(field: (typeof IDENTITY)[number], given: string, candidate: Candidate): Match {
    const membership = membershipOf(candidate);
    const isNegated = field !== given;
    // A source without an identity is none of those that are named.
    if (membership === 'outside') return isNegated ? 'yes' : 'no';
    const matches = textsOf(this.#source[given]).map((text) => this.#names(field, text, candidate));
    const match = matches.includes('yes') ? 'yes' : matches.includes('maybe') ? 'maybe' : 'no';
    if (membership !== this.#context.identified) return isNegated || match !== 'no' ? 'maybe' : 'no';
    return isNegated ? inverted(match) : match;
  }

  #names(field: (typeof IDENTITY)[number], text: string, { pod }: Candidate): Match {
    const { namespace, serviceAccount } = pod;
    const said = (isNamed: boolean) => (isNamed ? 'yes' : 'no');
    switch (field) {
      case 'namespaces':
        return said(isLike(text, namespace));
      case 'serviceAccounts':
        return said(
          text === `${namespace}/${serviceAccount}` ||
            (namespace === this.#context.namespace && text === serviceAccount),
        );
      case 'principals': {
        const local = text.replace(/^[^/*]+\//, `${LOCAL}/`);
        const match = said(isLike(local, `${LOCAL}/ns/${namespace}/sa/${serviceAccount}`));
        // Another trust domain may be that of this cluster, or not.
        return match === 'yes' && local !== text ? 'maybe' : match;
      }
    }
  }

  #has(field: string): boolean {
    return listOf(this.#source[field]).length > 0;
  }
}

function combined(matches: readonly Match[]): Match {
  if (matches.includes('no')) return 'no';
  return matches.includes('maybe') ? 'maybe' : 'yes';
}

function inverted(match: Match): Match {
  return match === 'maybe' ? 'maybe' : match === 'yes' ? 'no' : 'yes';
}

/** `*`, `prefix*`, `*suffix` or an exact text. */
function isLike(pattern: string, text: string): boolean {
  if (pattern === '*') return true;
  if (pattern.endsWith('*')) return text.startsWith(pattern.slice(0, -1));
  return pattern.startsWith('*') ? text.endsWith(pattern.slice(1)) : pattern === text;
}

function inBlocks({ pod: { ips } }: Candidate, blocks: readonly string[]): Match {
  const ranges = blocks.map(parseCidr).filter((range) => range !== undefined);
  const found = ips.map((ip) => {
    const address = parseAddress(ip);
    return address !== undefined && ranges.some((range) => containsAddress(range, address));
  });
  if (found.length === 0) return 'maybe';
  return found.every((each) => each === found[0]) ? (found[0] === true ? 'yes' : 'no') : 'maybe';
}

function withPrefix(cidr: string): string {
  return cidr.includes('/') ? cidr : `${cidr}/${cidr.includes(':') ? 128 : 32}`;
}
