/**
 * NetworkPolicies as the API server writes them: which policy a text is of, and whether the rest of it is known already.
 * The policies of a profile differ in little more than that, and to compare a text takes a tenth of the time and none of
 * the memory that it takes to parse it. Pure.
 */

/** Fields come in the order of their Go types. What is written otherwise does not match, and has to be parsed. */
const HEAD =
  /\{"kind":"NetworkPolicy","apiVersion":"networking\.k8s\.io\/v1","metadata":\{"name":"([a-z0-9.-]+)","namespace":"([a-z0-9-]+)","uid":"([a-z0-9-]+)","resourceVersion":"(\d+)","generation":\d+,"creationTimestamp":"[^"\\]*"(?!,"deletion)/y;

export interface PolicyHead {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Where the rest begins. */
  readonly end: number;
}

/** Undefined for anything that is not written as it always is: also for a policy that is being deleted. */
export function readHead(text: string, start: number): PolicyHead | undefined {
  HEAD.lastIndex = start;
  const match = HEAD.exec(text);
  if (match === null) return undefined;
  const [, name = '', namespace = '', uid = '', resourceVersion = ''] = match;
  return { name, namespace, uid, resourceVersion, end: HEAD.lastIndex };
}

/** When a manager wrote last, as metav1.Time is written. */
const TIME = /"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/g;
const TIME_LENGTH = '"time":"2006-01-02T15:04:05Z"'.length;
const MANAGED = ',"managedFields":[';
/** The end of managedFields, which come last, and of the metadata: nothing within them is written so. */
const SPEC = '}]},"spec":{';

/** A text that may differ in the times of its managers, and in nothing else. */
export class TextPattern {
  /** Between any two of them stands a time. */
  readonly #pieces: readonly string[];

  /** @param text what follows the head of a policy, to its last brace */
  constructor(text: string) {
    const from = text.indexOf(MANAGED);
    const to = from === -1 ? -1 : text.indexOf(SPEC, from);
    if (to === -1) {
      this.#pieces = [text];
      return;
    }
    const [first = '', ...others] = text.slice(from, to).split(TIME);
    const last = others.pop();
    const after = text.slice(to);
    this.#pieces = last === undefined ? [text] : [text.slice(0, from) + first, ...others, last + after];
  }

  /** Where a text ends that begins at `start` and is like this one; -1 if it is not. */
  endIn(text: string, start: number): number {
    let at = start;
    for (const [index, piece] of this.#pieces.entries()) {
      if (index > 0) {
        if (!isTime(text, at)) return -1;
        at += TIME_LENGTH;
      }
      if (!text.startsWith(piece, at)) return -1;
      at += piece.length;
    }
    return at;
  }
}

/** Whether a time stands there; its digits are not looked at, as long as they can't be anything else. */
function isTime(text: string, at: number): boolean {
  return (
    text.startsWith('"time":"', at) && text.indexOf('"', at + '"time":"'.length) === at + TIME_LENGTH - 1
  );
}

/** A copy of a part of a long text, which does not keep the whole of it in memory. ASCII only. */
export function detached(part: string): string {
  return Buffer.from(part, 'latin1').toString('latin1');
}
