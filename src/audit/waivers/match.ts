/** Finds the waivers for findings. Objects without a pattern are looked up, and patterns are compiled once. Pure. */
import { type Finding, isNamed, objectText } from '../finding.ts';
import type { Waiver } from './waiver.ts';

interface Matcher {
  readonly waiver: Waiver;
  readonly object: RegExp;
  readonly field: RegExp | undefined;
}

export class WaiverIndex {
  readonly #byObject = new Map<string, Matcher[]>();
  readonly #patterns: Matcher[] = [];

  constructor(waivers: readonly Waiver[]) {
    for (const waiver of waivers) {
      const { object, field } = waiver;
      const matcher = {
        waiver,
        object: patternOf(object),
        field: field === undefined ? undefined : patternOf(field),
      };
      if (object.includes('*')) this.#patterns.push(matcher);
      else {
        const others = this.#byObject.get(object);
        if (others === undefined) this.#byObject.set(object, [matcher]);
        else others.push(matcher);
      }
    }
  }

  /** The waivers for a finding, expired ones too. */
  for(finding: Finding): readonly Waiver[] {
    const text = objectText(finding.object);
    const { check: id, category, field = '' } = finding;
    return [...(this.#byObject.get(text) ?? []), ...this.#patterns]
      .filter(
        (each) =>
          isNamed({ id, category }, each.waiver.check) &&
          each.object.test(text) &&
          (each.field?.test(field) ?? true),
      )
      .map(({ waiver }) => waiver);
  }
}

/** Matches whole texts; `*` stands for any text without a slash. */
function patternOf(pattern: string): RegExp {
  const escaped = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${escaped.join('[^/]*')}$`);
}
