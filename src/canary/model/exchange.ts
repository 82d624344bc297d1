/**
 * The exchange of a probe with a target, by TCP and UDP: the probe sends a line with a nonce, and the target answers with
 * the nonce, its own identity and the source address that it saw. The answer is never longer than the question, so that a
 * target can't amplify forged packets. Pure.
 */

const MAGIC = 'segmentation-canary/1';
/** Length of a question and most of an answer, in bytes. */
const LENGTH = 192;

export interface Answer {
  /** The uid of the target's Pod; empty outside of a cluster. */
  readonly identity: string;
  readonly seenAs: string;
}

/** @param nonce unguessable and new for each attempt, of at most 36 characters without spaces */
export function question(nonce: string): string {
  return `${MAGIC} ${nonce} `.padEnd(LENGTH - 1, '.') + '\n';
}

/** The answer to a question; undefined if the text is none, so that it gets no answer. */
export function answerTo(text: string, { identity, seenAs }: Answer): string | undefined {
  if (text.length < LENGTH) return undefined;
  const [magic, nonce = ''] = text.split(' ', 2);
  if (magic !== MAGIC || nonce === '' || nonce.length > 36) return undefined;
  return `${MAGIC} ${nonce} ${identity || '-'} ${plainAddress(seenAs)}\n`;
}

/** The answer in a text; undefined if it is none to this nonce. */
export function parseAnswer(text: string, nonce: string): Answer | undefined {
  const [magic, echoed, identity = '', seenAs = ''] = text.trim().split(' ');
  if (magic !== MAGIC || echoed !== nonce || identity === '') return undefined;
  return { identity: identity === '-' ? '' : identity, seenAs };
}

/** An IPv4 address that a socket of both families reports as `::ffff:10.0.0.1`, as IPv4. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:/, '').replace(/%.*$/, '');
}
