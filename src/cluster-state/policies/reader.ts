/**
 * Reads policies from JSON for the cache. JSON whose content is known is compared with it, and only other JSON is parsed:
 * nearly every policy of a list, and nearly every answer to an own write, has the content of an earlier policy.
 */
import { type PolicyContentPool, type PolicyContent, SharedPolicy } from './content-pool.ts';
import { type PolicyItem, projectPolicy } from '../items.ts';
import { detached, type PolicyHead, readHead, TextPattern } from './text.ts';

interface Known {
  readonly pattern: TextPattern;
  readonly content: PolicyContent;
  /** The name of the last policy with this content: a profile uses the same name in every namespace. */
  name: string;
}

/** Most patterns of the same length that are compared; policies with further contents of that length are parsed. */
const MAX_ALIKE = 16;
/** Most names of namespaces that are kept for sharing. */
const MAX_NAMESPACES = 256;

const EVENTS = ['ADDED', 'MODIFIED'].map((type) => ({ type, start: `{"type":"${type}","object":` }));

export class PolicyReader {
  readonly #pool: PolicyContentPool;
  /** By the length of the JSON after the head, which is the same for all policies with one content. */
  readonly #known = new Map<number, Known[]>();
  /** The names of namespaces, by themselves: the policies of a namespace share one string. */
  readonly #namespaces = new Map<string, string>();
  /** The policy that was parsed last, and its JSON, from which `project` makes a pattern. */
  #parsed: { readonly policy: unknown; readonly head: PolicyHead; readonly rest: string } | undefined;

  constructor(pool: PolicyContentPool) {
    this.#pool = pool;
  }

  /**
   * Parses a policy, or a watch event with one, as JSON.parse does. A policy with a known content lacks what nobody here
   * reads: creationTimestamp, and the fields of managers.
   *
   * @throws SyntaxError
   */
  readonly parse = (text: string): unknown => {
    const event = EVENTS.find(({ start }) => text.startsWith(start));
    const head = readHead(text, event?.start.length ?? 0);
    if (head === undefined) return JSON.parse(text);
    // An event has one more brace, and an answer ends with a newline.
    const end = text.length - (event !== undefined || text.endsWith('\n') ? 1 : 0);
    const known = this.#find(text, head, end);
    if (known !== undefined) {
      const object = new SharedPolicy(this.#identity(head, known), known.content);
      return event === undefined ? object : { type: event.type, object };
    }
    const value: unknown = JSON.parse(text);
    const policy = event === undefined ? value : (value as { readonly object: unknown }).object;
    this.#parsed = { policy, head, rest: text.slice(head.end, end) };
    return value;
  };

  /** From a policy as it is on the wire, which `parse` has returned, to the item that the cache holds. */
  readonly project = (raw: object): PolicyItem => {
    const size = this.#pool.size;
    const item = projectPolicy(raw, this.#pool);
    const parsed = this.#parsed;
    this.#parsed = undefined;
    // From the second policy on: in many clusters most contents occur once.
    const isShared = item.content !== undefined && this.#pool.size === size;
    if (isShared && parsed?.policy === raw) this.#learn(parsed.rest, item.content, item.name);
    return item;
  };

  /** Forgets the patterns of contents that no policy has any more. */
  sweep(): void {
    for (const [length, known] of this.#known) {
      const present = known.filter(({ content }) => this.#pool.has(content));
      if (present.length > 0) this.#known.set(length, present);
      else this.#known.delete(length);
    }
  }

  #find(text: string, head: PolicyHead, end: number): Known | undefined {
    for (const known of this.#known.get(end - head.end) ?? []) {
      if (known.pattern.endIn(text, head.end) === end && this.#pool.has(known.content)) return known;
    }
    return undefined;
  }

  #learn(rest: string, content: PolicyContent, name: string): void {
    const alike = this.#known.get(rest.length) ?? [];
    // A content has several patterns if its fields come in several orders.
    alike.unshift({ pattern: new TextPattern(rest), content, name });
    alike.length = Math.min(alike.length, MAX_ALIKE);
    this.#known.set(rest.length, alike);
  }

  #identity({ name, namespace, uid, resourceVersion }: PolicyHead, known: Known) {
    if (known.name !== name) known.name = detached(name);
    return {
      name: known.name,
      namespace: this.#namespace(namespace),
      uid: detached(uid),
      resourceVersion: detached(resourceVersion),
    };
  }

  #namespace(name: string): string {
    const same = this.#namespaces.get(name);
    if (same !== undefined) return same;
    if (this.#namespaces.size >= MAX_NAMESPACES) this.#namespaces.clear();
    const own = detached(name);
    this.#namespaces.set(own, own);
    return own;
  }
}
