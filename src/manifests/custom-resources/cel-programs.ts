/** Evaluates CEL expressions in one environment. Each expression is parsed once; that cache is the only state. */
import type { Environment } from '@marcbachmann/cel-js';

/** Returns the value of an expression in a context. @throws Error if the expression can't be parsed or evaluated */
export type CelEvaluator = (expression: string, context: object) => unknown;

/** @param createEnvironment called before the first evaluation, as an environment takes time to make */
export function celEvaluator(createEnvironment: () => Environment): CelEvaluator {
  const programs = new Map<string, (context: object) => unknown>();
  let environment: Environment | undefined;
  return (expression, context) => {
    let program = programs.get(expression);
    if (program === undefined) {
      environment ??= createEnvironment();
      program = environment.parse(expression) as (context: object) => unknown;
      programs.set(expression, program);
    }
    return program(context);
  };
}
