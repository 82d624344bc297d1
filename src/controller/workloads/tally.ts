/** Counts the objects that break limits of one profile, by group, with the first of them as examples. No I/O. */
import type { SegmentationProfile, WorkloadFindings } from '../../api/profile.ts';
import { type GroupName, groupsInUse, type Violation } from '../../policy/workloads/groups.ts';
import { compareText } from '../../util/order.ts';

/** Most examples of a group; the schema's bound. */
const MAX_EXAMPLES = 10;
/** Longest message of an example, in characters. */
const MAX_MESSAGE = 256;

type Example = NonNullable<WorkloadFindings['groups'][number]['examples']>[number];

/** An object that is judged. */
export interface Subject {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
}

interface GroupTally {
  violating: number;
  /** The first objects in order. */
  examples: Example[];
}

export class Tally {
  readonly #groups: Map<GroupName, GroupTally>;

  constructor(profile: SegmentationProfile) {
    this.#groups = new Map(groupsInUse(profile).map((name) => [name, { violating: 0, examples: [] }]));
  }

  add(subject: Subject, violations: readonly Violation[]): void {
    for (const { group, message } of violations) {
      const tally = this.#groups.get(group);
      if (tally === undefined) continue;
      tally.violating += 1;
      const example = { ...subject, message: message.slice(0, MAX_MESSAGE) };
      tally.examples = [...tally.examples, example].sort(inOrder).slice(0, MAX_EXAMPLES);
    }
  }

  findings(): WorkloadFindings {
    const groups = [...this.#groups].map(([name, { violating, examples }]) => ({
      name,
      violating,
      ...(violating > 0 && { examples }),
    }));
    return { groups: groups.sort((a, b) => compareText(a.name, b.name)) };
  }
}

function inOrder(a: Example, b: Example): number {
  return compareText(a.namespace, b.namespace) || compareText(a.kind, b.kind) || compareText(a.name, b.name);
}
