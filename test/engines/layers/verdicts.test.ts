/** Verdicts under policies of engines' own kinds and of the mesh, as a table of named cases. */
import assert from 'node:assert/strict';
import { CASES, settingsOf, worldOf } from './cases.ts';
import { ISTIO_CASES } from './istio-cases.ts';
import { LIMITED_RULES } from './limited-rules.ts';
import { judgeOf } from './verdicts.ts';

describe('verdict on a flow under', () => {
  for (const [name, each] of Object.entries({ ...CASES, ...ISTIO_CASES, ...LIMITED_RULES })) {
    it(name, () => {
      const judge = judgeOf(worldOf(each), settingsOf(each));
      const found = Object.keys(each.verdicts).map((text) => [text, verdictOf(judge, text)]);
      assert.deepEqual(Object.fromEntries(found), each.verdicts);
    });
  }
});

function verdictOf(judge: ReturnType<typeof judgeOf>, text: string): string {
  const [, source = '', destination = '', port, protocol = 'TCP'] =
    /^(\S+) > (\S+) (\d+)(?:\/(\w+))?$/.exec(text) ?? [];
  const decision = judge({ from: source, to: destination, port: Number(port), protocol: protocol as 'TCP' });
  const { Ingress, Egress } = decision.ends;
  const rule =
    decision.verdict === 'unknown' ? decision.dependsOn[0] : (decision.by ?? Ingress.by ?? Egress.by);
  if (rule === undefined) return decision.verdict;
  const { kind, name } = rule.object;
  return `${decision.verdict} ${kind} ${name}${rule.field === '' ? '' : ` ${rule.field}`}${rule.unknown === undefined ? '' : `: ${rule.unknown}`}`;
}
