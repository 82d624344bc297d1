/**
 * The Protocol Buffers message of a NetworkPolicy, read without decoding it: the policy's identity, and the parts of the
 * message that make up its content. Pure.
 *
 * The API server encodes equal contents to equal bytes: fields come in the order of their numbers, and entries of a map in
 * the order of their keys. If it did not, equal contents would be decoded once for each of their forms.
 */
import { Fields, WireError } from '../../kube/protobuf/wire.ts';
import type { PolicyIdentity } from './content-pool.ts';

/** Fields of NetworkPolicy, of its ObjectMeta, and of the entries of managedFields. */
const POLICY = { metadata: 1, spec: 2 } as const;
const METADATA = {
  name: 1,
  namespace: 3,
  uid: 5,
  resourceVersion: 6,
  creationTimestamp: 8,
  labels: 11,
  finalizers: 14,
  managedFields: 17,
} as const;
const MANAGER = 1;

/** Reads a message, and compares its content with others. Each `read` replaces the message before. */
export class PolicyMessage {
  #bytes: Buffer = Buffer.alloc(0);
  /** The parts of the content: start and end of each. Each is a sequence of whole fields. */
  readonly #parts: number[] = [];
  #name: readonly [from: number, to: number] = [0, 0];
  #namespace = '';
  #uid = '';
  #resourceVersion = '';

  /**
   * @returns false if the message is not one of a usual policy, such as one that is being deleted or has unknown fields:
   *   then it has to be decoded
   */
  read(bytes: Buffer): boolean {
    this.#bytes = bytes;
    this.#parts.length = 0;
    this.#name = [0, 0];
    this.#namespace = this.#uid = this.#resourceVersion = '';
    try {
      const fields = new Fields(bytes);
      while (fields.next()) {
        if (fields.number === POLICY.spec) this.#add(fields.start, fields.to);
        else if (fields.number !== POLICY.metadata || !this.#readMetadata(fields.message())) return false;
      }
    } catch (error) {
      if (error instanceof WireError) return false;
      throw error;
    }
    return this.#namespace !== '' && this.#uid !== '' && this.#resourceVersion !== '';
  }

  /** The bytes that policies of one content have in common. */
  content(): Buffer {
    const copy = Buffer.allocUnsafeSlow(this.contentLength);
    let at = 0;
    this.#eachPart((from, to) => {
      at += this.#bytes.copy(copy, at, from, to);
      return true;
    });
    return copy;
  }

  get contentLength(): number {
    let length = 0;
    this.#eachPart((from, to) => {
      length += to - from;
      return true;
    });
    return length;
  }

  /** True if the policy has this content. */
  hasContent(content: Buffer): boolean {
    let at = 0;
    const isSame = this.#eachPart((from, to) => {
      const end = at + to - from;
      // A part that is longer than the rest of the content can't be equal to it.
      const isEqual = end <= content.length && this.#bytes.compare(content, at, end, from, to) === 0;
      at = end;
      return isEqual;
    });
    return isSame && at === content.length;
  }

  /** @param likely a name that the policy probably has: then that string is used again */
  identity(likely: string): PolicyIdentity {
    const [from, to] = this.#name;
    const name = this.#bytes.toString('latin1', from, to);
    return {
      name: name === likely ? likely : name,
      namespace: this.#namespace,
      uid: this.#uid,
      resourceVersion: this.#resourceVersion,
    };
  }

  #readMetadata(fields: Fields): boolean {
    while (fields.next()) {
      const { number, from, to } = fields;
      if (number >= METADATA.labels && number <= METADATA.finalizers) this.#add(fields.start, to);
      else if (number === METADATA.managedFields) this.#addManager(fields.message());
      else if (number === METADATA.name) this.#name = [from, to];
      else if (number === METADATA.namespace) this.#namespace = this.#bytes.toString('latin1', from, to);
      else if (number === METADATA.uid) this.#uid = this.#bytes.toString('latin1', from, to);
      else if (number === METADATA.resourceVersion)
        this.#resourceVersion = this.#bytes.toString('latin1', from, to);
      // The other fields up to this one say nothing of the content.
      else if (number > METADATA.creationTimestamp) return false;
    }
    return true;
  }

  #addManager(entry: Fields): void {
    while (entry.next()) if (entry.number === MANAGER) this.#add(entry.start, entry.to);
  }

  /** Adds a part. If it begins where the last part ends, that part is extended. */
  #add(from: number, to: number): void {
    const parts = this.#parts;
    if (parts.length > 0 && parts[parts.length - 1] === from) parts[parts.length - 1] = to;
    else parts.push(from, to);
  }

  /** Calls `visit` for each part until it returns false. */
  #eachPart(visit: (from: number, to: number) => boolean): boolean {
    for (let index = 0; index < this.#parts.length; index += 2)
      if (!visit(this.#parts[index] as number, this.#parts[index + 1] as number)) return false;
    return true;
  }
}
