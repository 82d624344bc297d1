import type { SegmentationException } from '../../api/exception.ts';
import { EXCEPTION_KIND } from '../../api/names.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { shortList } from '../../util/list-text.ts';
import { byObjectName } from '../../util/order.ts';
import type { Check } from '../check.ts';

/** From this number on, exceptions for the same flows are a habit. */
const HABIT = 3;

/** The flows that an exception opens, without names and descriptions of its rules, as one text. */
function flowsOf({ spec }: SegmentationException): string {
  const { ingress, egress, connections } = spec ?? {};
  const unnamed = [ingress, egress, connections].map((rules) =>
    (rules ?? []).map(({ name: _name, description: _description, ...flow }) => canonicalJSON(flow)).sort(),
  );
  return JSON.stringify(unnamed);
}

export const exceptionRenewed: Check = {
  id: 'exception-renewed',
  title: 'No flow is opened by exceptions again and again',
  severity: 'medium',
  category: 'Boundary',
  controls: ['NSA/CISA network separation'],
  why: 'A flow that exceptions open again and again is part of the work, and nobody decides any more if it should be.',
  remedy:
    'Write the flow as a rule of the profile if it is meant, and refuse it otherwise. Delete exceptions that are over, once nobody needs them as a record.',
  needs: ['SegmentationException'],
  run: (context, report) => {
    const exceptions = (context.snapshot.objects(EXCEPTION_KIND) as readonly SegmentationException[])
      .filter((each) => context.audits(each))
      .toSorted(byObjectName);
    const alike = Map.groupBy(exceptions, (each) => `${each.metadata.namespace} ${flowsOf(each)}`);
    for (const group of alike.values()) {
      const [first] = group;
      if (first === undefined || group.length < HABIT) continue;
      const { namespace = '', name } = first.metadata;
      const others = group.slice(1).map(({ metadata }) => metadata.name);
      report({
        object: { kind: EXCEPTION_KIND, namespace, name },
        message: `it opens the same flows as ${shortList(others)}: ${group.length} exceptions in all`,
      });
    }
  },
};
