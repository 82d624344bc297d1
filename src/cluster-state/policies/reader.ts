/**
 * Reads policies in Protocol Buffers for the cache. A policy whose content is known is compared with it, byte by byte, and
 * only other policies are decoded: nearly every policy of a list, and nearly every answer to an own write, has the content
 * of an earlier policy.
 */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { type PolicyContent, type PolicyContentPool, SharedPolicy } from './content-pool.ts';
import { PolicyMessage } from './message.ts';

interface Known {
  /** The bytes that a policy with this content has. */
  readonly bytes: Buffer;
  readonly content: PolicyContent;
  /** The name of the last policy with this content: a profile uses the same name in every namespace. */
  name: string;
}

/** Most contents of the same length that are compared; policies with further contents of that length are decoded. */
const MAX_ALIKE = 16;

export class PolicyReader {
  readonly #pool: PolicyContentPool;
  /** By the length of their bytes. */
  readonly #known = new Map<number, Known[]>();
  readonly #message = new PolicyMessage();
  /** The last namespace: a list has the policies of a namespace together, and they share one string. */
  #namespace = '';

  constructor(pool: PolicyContentPool) {
    this.#pool = pool;
  }

  /**
   * Reads a policy. One whose content is in the pool lacks what nobody here reads: creationTimestamp, and the fields of
   * managers.
   *
   * @param decode decodes the whole policy
   */
  readonly readObject = (bytes: Buffer, decode: () => object): object => {
    if (!this.#message.read(bytes)) return decode();
    const known = this.#find();
    if (known !== undefined) return new SharedPolicy(this.#identity(known), known.content);
    const policy = decode() as NetworkPolicy;
    const size = this.#pool.size;
    const { content, shared } = this.#pool.intern(policy);
    if (!shared) return policy;
    const { name } = policy.metadata;
    // From the second policy on: in many clusters most contents occur once.
    if (this.#pool.size === size) this.#learn(this.#message.content(), content, name);
    return new SharedPolicy(this.#message.identity(name), content);
  };

  /** Forgets contents that no policy has any more. */
  sweep(): void {
    for (const [length, known] of this.#known) {
      const present = known.filter(({ content }) => this.#pool.has(content));
      if (present.length > 0) this.#known.set(length, present);
      else this.#known.delete(length);
    }
  }

  #find(): Known | undefined {
    for (const known of this.#known.get(this.#message.contentLength) ?? [])
      if (this.#message.hasContent(known.bytes) && this.#pool.has(known.content)) return known;
    return undefined;
  }

  #learn(bytes: Buffer, content: PolicyContent, name: string): void {
    const alike = this.#known.get(bytes.length) ?? [];
    alike.unshift({ bytes, content, name });
    alike.length = Math.min(alike.length, MAX_ALIKE);
    this.#known.set(bytes.length, alike);
  }

  #identity(known: Known) {
    const identity = this.#message.identity(known.name);
    known.name = identity.name;
    if (identity.namespace !== this.#namespace) this.#namespace = identity.namespace;
    return { ...identity, namespace: this.#namespace };
  }
}
