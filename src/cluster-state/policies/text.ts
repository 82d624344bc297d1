/**
 * The JSON of NetworkPolicies as the API server writes it: reads the identity of the policy, and compares the rest with
 * known JSON. The policies of a profile differ in little more than their identity, and comparing takes a tenth of the time
 * of parsing, and no memory. Pure.
 */

/** Fields come in the order of their Go types. JSON with another order does not match, and has to be parsed. */
const HEAD =
  /\{"kind":"NetworkPolicy","apiVersion":"networking\.k8s\.io\/v1","metadata":\{"name":"([a-z0-9.-]+)","namespace":"([a-z0-9-]+)","uid":"([a-z0-9-]+)","resourceVersion":"(\d+)","generation":\d+,"creationTimestamp":"[^"\\]*"(?!,"deletion)/y;

export interface PolicyHead {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The index at which the rest begins. */
  readonly end: number;
}

/** @returns undefined if the JSON is not written as usual: among others, for a policy that is being deleted */
export function readHead(text: string, start: number): PolicyHead | undefined {
  HEAD.lastIndex = start;
  const match = HEAD.exec(text);
  if (match === null) return undefined;
  const [, name = '', namespace = '', uid = '', resourceVersion = ''] = match;
  return { name, namespace, uid, resourceVersion, end: HEAD.lastIndex };
}

/** The time of a manager's last write, as metav1.Time is written. */
const TIME = /"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/g;
const TIME_LENGTH = '"time":"2006-01-02T15:04:05Z"'.length;
const MANAGED = ',"managedFields":[';
/** The end of managedFields, which come last in the metadata: nothing within them looks the same. */
const SPEC = '}]},"spec":{';

/** Matches JSON that differs from a known one in the times of its managers only. */
export class TextPattern {
  /** Between any two pieces there is a time. */
  readonly #pieces: readonly string[];

  /** @param text the JSON after the head of a policy, to its last brace */
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

  /** The index at which matching JSON ends that begins at `start`; -1 if it does not match. */
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

/** True if there is a time at the index. Its length decides: its digits are not looked at. */
function isTime(text: string, at: number): boolean {
  return (
    text.startsWith('"time":"', at) && text.indexOf('"', at + '"time":"'.length) === at + TIME_LENGTH - 1
  );
}

/** A copy of a part of a long string, which does not keep the whole string in memory. ASCII only. */
export function detached(part: string): string {
  return Buffer.from(part, 'latin1').toString('latin1');
}
