/** Reports of judgements for CI systems. Pure. */
import type { ManifestPlace } from '../../../snapshot/objects.ts';
import { junitDocument, type TestResult } from '../../reports/junit.ts';
import { objectPlace, ruleName, type SarifLevel, sarifDocument } from '../../reports/sarif.ts';
import { CONSTRAINTS, type Effect, type JudgedObject, type Judgement } from './judge.ts';

export interface PlacedJudgement extends Judgement {
  /** Where a manifest describes the object. */
  readonly place?: ManifestPlace;
}

export interface ReportInput {
  readonly judgements: readonly PlacedJudgement[];
  /** All objects that were judged. */
  readonly judged: readonly JudgedObject[];
  /** Absolute path, to which files are relative. */
  readonly cwd: string;
}

export function objectName({ kind, namespace, name }: JudgedObject): string {
  return `${namespace}/${kind.toLowerCase()}/${name}`;
}

/** A test for each object, which fails if the object, or its pods, would be refused. Warnings are its output. */
export function junit({ judgements, judged }: ReportInput): string {
  const byObject = Map.groupBy(judgements, ({ object }) => objectName(object));
  const suites = [...Map.groupBy(judged, ({ namespace }) => namespace)].map(([namespace, objects]) => ({
    name: namespace,
    cases: objects.map((object) => {
      const own = byObject.get(objectName(object)) ?? [];
      const place = own[0]?.place;
      return {
        name: objectName(object),
        classname: `workloads.${object.kind}`,
        ...(place && { place }),
        result: resultOf(own),
      };
    }),
  }));
  return junitDocument('kubectl segmentation workloads', suites);
}

function resultOf(judgements: readonly Judgement[]): TestResult {
  if (judgements.length === 0) return { kind: 'passed' };
  const text = judgements.map(({ effect, message }) => `${effect}: ${message}`).join('\n');
  const refused = judgements.find(({ effect }) => effect === 'refused');
  return refused === undefined
    ? { kind: 'output', text }
    : { kind: 'failure', message: refused.message, text };
}

const LEVELS: Readonly<Record<Effect, SarifLevel>> = { refused: 'error', warned: 'warning', audited: 'note' };

export function sarif({ judgements, cwd }: ReportInput): string {
  const rules = CONSTRAINTS.map((id) => {
    const text = `Objects are as ${id} of their namespace admits them.`;
    return {
      id,
      name: ruleName(id.replaceAll(/[./]/g, '-')),
      shortDescription: { text },
      fullDescription: { text },
      help: {
        text: 'The message names the profile and the limit, and says what to write instead. See docs/workloads.md and docs/pod-security.md.',
      },
      defaultConfiguration: { level: 'error' as const },
      properties: { tags: ['security'] },
    };
  });
  const results = judgements.map(({ object, effect, constraint, message, place }) => ({
    ruleId: constraint,
    level: LEVELS[effect],
    message: { text: `${objectName(object)}: ${message}` },
    locations: [objectPlace({ name: object.name, fullName: objectName(object) }, place, cwd)],
    partialFingerprints: { 'judgement/v1': `${constraint} ${objectName(object)} ${message}` },
  }));
  return sarifDocument(rules, results);
}
