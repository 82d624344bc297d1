/** The exceptions that a change opens, ends or moves to another end, as the notes on their policies say. Pure. */
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { notesOf } from '../../../policy/notes.ts';
import { compareText } from '../../../util/order.ts';

export interface ExceptionChange {
  /** `moved`: it has another end. */
  readonly change: 'opened' | 'ended' | 'moved';
  readonly namespace: string;
  readonly name: string;
  /** The end before and after, as RFC 3339; absent where it opens nothing. */
  readonly before?: string;
  readonly after?: string;
}

/** The exceptions whose end differs, by namespace and name. */
export function exceptionChanges(
  before: readonly NetworkPolicy[],
  after: readonly NetworkPolicy[],
): ExceptionChange[] {
  const [old, next] = [endsOf(before), endsOf(after)];
  const keys = [...new Set([...old.keys(), ...next.keys()])].sort(compareText);
  return keys.flatMap((key): ExceptionChange[] => {
    const [was, is] = [old.get(key), next.get(key)];
    if (was === is) return [];
    const [namespace = '', name = ''] = key.split('/');
    const change = was === undefined ? 'opened' : is === undefined ? 'ended' : 'moved';
    return [
      {
        change,
        namespace,
        name,
        ...(was !== undefined && { before: was }),
        ...(is !== undefined && { after: is }),
      },
    ];
  });
}

/** The end of each exception that has policies, by `NAMESPACE/NAME`. */
function endsOf(policies: readonly NetworkPolicy[]): ReadonlyMap<string, string> {
  const ends = new Map<string, string>();
  for (const policy of policies)
    for (const note of notesOf(policy))
      if (note?.exception !== undefined && note.until !== undefined)
        ends.set(`${policy.metadata.namespace}/${note.exception}`, note.until);
  return ends;
}
