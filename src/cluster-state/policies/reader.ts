/**
 * Takes policies from the wire for the cache. Texts whose content is known are compared, and all others parsed: nearly
 * every one of a list, and every answer to a write of ours but the first few, says what another one has said before.
 */
import { type PolicyContentPool, type PolicyContent, SharedPolicy } from './content-pool.ts';
import { type PolicyItem, projectPolicy } from '../items.ts';
import { detached, type PolicyHead, readHead, TextPattern } from './text.ts';

interface Known {
  readonly pattern: TextPattern;
  readonly content: PolicyContent;
  /** Of the policy that had it last: in every namespace it has the same. */
  name: string;
}

/** What is asked for a text; more contents of the same length than these are parsed each time. */
const MAX_ALIKE = 16;
/** Names of namespaces that were read lately. */
const MAX_NAMESPACES = 256;

const EVENTS = ['ADDED', 'MODIFIED'].map((type) => ({ type, start: `{"type":"${type}","object":` }));

export class PolicyReader {
  readonly #pool: PolicyContentPool;
  /** By the length of the text after the head, which is the same for all policies with one content. */
  readonly #known = new Map<number, Known[]>();
  /** So that the policies of a namespace share its name. */
  readonly #namespaces = new Map<string, string>();
  /** The policy that was parsed last, and its text: when its content is known, the text is, too. */
  #parsed: { readonly policy: unknown; readonly head: PolicyHead; readonly rest: string } | undefined;

  constructor(pool: PolicyContentPool) {
    this.#pool = pool;
  }

  /**
   * What JSON.parse makes of a policy, or of a watch event of one: but for what nobody here reads, where the content is
   * known.
   *
   * @throws SyntaxError
   */
  readonly parse = (text: string): unknown => {
    const event = EVENTS.find(({ start }) => text.startsWith(start));
    const head = readHead(text, event?.start.length ?? 0);
    if (head === undefined) return JSON.parse(text);
    // An event has one more brace, an answer ends with its line.
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

  /** A policy as it is on the wire, as the cache takes it. */
  readonly project = (raw: object): PolicyItem => {
    const size = this.#pool.size;
    const item = projectPolicy(raw, this.#pool);
    const parsed = this.#parsed;
    this.#parsed = undefined;
    // Not at the first sight: in many clusters most contents are there once.
    const isShared = item.content !== undefined && this.#pool.size === size;
    if (isShared && parsed?.policy === raw) this.#learn(parsed.rest, item.content, item.name);
    return item;
  };

  /** Forgets the texts of contents that no policy has any more. */
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
    // With another order of its fields, a content may have several texts.
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
