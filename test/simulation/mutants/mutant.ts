/**
 * Mutants: deliberate faults of the operator, by which a test shows that the judges report them. The operator's code is changed
 * as it is loaded, so that each fault can be switched on; its files stay as they are.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import type { Plan } from '../schedule/actions.ts';

export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The report of a judge: it names the invariant that the fault breaks. */
  readonly reported: RegExp;
  /** A schedule that shows the fault, and breaks no invariant without it. */
  readonly plan: Plan;
}

/** Replaces an expression that a file has exactly once. */
export interface Edit {
  /** From the folder of the repository on. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const ROOT = new URL('../../../', import.meta.url);

/** The name of the fault that is on; undefined: none. The changed code reads it. */
const SWITCH = 'simulatedMutant';

export function switchOn(name: string | undefined): void {
  (globalThis as Record<string, unknown>)[SWITCH] = name;
}

/**
 * Puts the faults into all modules that this thread loads from now on, switched off. @throws if a file lacks what an edit
 * replaces
 */
export function install(mutants: readonly Mutant[]): void {
  const edits = mutants.flatMap(({ name, edits: own }) => own.map((edit) => ({ name, ...edit })));
  const sources = new Map(
    [...Map.groupBy(edits, ({ file }) => file)].map(([file, own]) => [
      new URL(file, ROOT).href,
      changed(file, own),
    ]),
  );
  registerHooks({
    load: (url, context, nextLoad) => {
      const source = sources.get(url);
      if (source === undefined) return nextLoad(url, context);
      return { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}

function changed(file: string, edits: readonly (Edit & { readonly name: string })[]): string {
  const source = readFileSync(new URL(file, ROOT), 'utf8');
  return [...Map.groupBy(edits, ({ find }) => find)]
    .map(([find, own]) => ({ at: placeOf(find, file, source), find, own }))
    .sort((a, b) => b.at - a.at)
    .reduce((text, { at, find, own }) => {
      const choices = own.map(
        ({ name, replace }) => `globalThis.${SWITCH} === ${JSON.stringify(name)} ? (${replace}) : `,
      );
      return `${text.slice(0, at)}(${choices.join('')}(${find}))${text.slice(at + find.length)}`;
    }, source);
}

function placeOf(find: string, file: string, source: string): number {
  const count = source.split(find).length - 1;
  if (count !== 1)
    throw new Error(
      `${file} has ${JSON.stringify(find)} ${count} times: adapt the mutant in test/simulation/mutants/mutants.ts`,
    );
  return source.indexOf(find);
}
