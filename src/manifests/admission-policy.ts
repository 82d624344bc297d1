/** Evaluates a ValidatingAdmissionPolicy for a request, with the functions of CEL that config/workloads uses. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { Environment } from '@marcbachmann/cel-js';
import type { KubeObject } from '../api/meta.ts';
import { celValue } from './custom-resources/cel.ts';
import { celEvaluator } from './custom-resources/cel-programs.ts';

interface Named {
  readonly name: string;
  readonly expression: string;
}

/** The parts of a ValidatingAdmissionPolicy that judge a request. */
export interface AdmissionPolicy {
  readonly name: string;
  readonly matchConditions: readonly Named[];
  /** In order: an expression may use the variables before it. */
  readonly variables: readonly Named[];
  readonly validations: readonly {
    readonly expression: string;
    readonly message?: string;
    readonly messageExpression?: string;
  }[];
}

/** The creation of an object by somebody who is in no group. */
export interface CreateRequest {
  readonly kind: string;
  readonly object: KubeObject;
  /** The parameter of the policy. */
  readonly params: KubeObject;
}

/**
 * The messages with which the API server would refuse the request; none if it would admit it.
 *
 * @throws Error if an expression can't be evaluated: a policy with `failurePolicy: Fail` refuses the request then
 */
export function refusalsOf(policy: AdmissionPolicy, { kind, object, params }: CreateRequest): string[] {
  const { name, namespace = '' } = object.metadata;
  const request = {
    kind: { kind },
    operation: 'CREATE',
    name,
    namespace,
    subResource: '',
    dryRun: false,
    userInfo: { username: '', groups: [] },
  };
  const variables: object = {};
  const context = {
    object: celValue(object),
    oldObject: null,
    params: celValue(params),
    request: celValue(request),
    variables,
  };
  if (!policy.matchConditions.every(({ expression }) => run(expression, context) === true)) return [];
  for (const { name: variable, expression } of policy.variables)
    defineLazy(variables, variable, () => run(expression, context));
  return policy.validations
    .filter(({ expression }) => run(expression, context) !== true)
    .map(({ expression, message, messageExpression }) => {
      const told = messageExpression === undefined ? undefined : run(messageExpression, context);
      return typeof told === 'string' ? told : (message ?? `failed expression: ${expression}`);
    });
}

/** A variable is evaluated when it is first used, as the API server does: another kind may lack the fields it reads. */
function defineLazy(variables: object, name: string, evaluate: () => unknown): void {
  const get = () => {
    const value = evaluate();
    Object.defineProperty(variables, name, { value, enumerable: true });
    return value;
  };
  Object.defineProperty(variables, name, { get, enumerable: true, configurable: true });
}

const run = celEvaluator(createEnvironment);

/** The library's optional value. */
interface MaybeValue {
  orValue(other: unknown): unknown;
}

/** A quantity in billionths, which is as fine as Kubernetes rounds. */
class Quantity {
  readonly billionths: bigint;

  constructor(text: string) {
    const [, sign = '', whole = '', fraction = '', suffix = ''] =
      /^([+-]?)(\d*)(?:\.(\d*))?([a-zA-Z]*(?:[eE][+-]?\d+)?)$/.exec(text) ?? [];
    const scale = scaleOf(suffix);
    if (whole + fraction === '' || scale === undefined) throw new TypeError(`${text} is no quantity`);
    const digits = BigInt(whole + fraction);
    const amount = (digits * 1_000_000_000n * scale.times) / (scale.by * 10n ** BigInt(fraction.length));
    this.billionths = sign === '-' ? -amount : amount;
  }
}

interface Scale {
  readonly times: bigint;
  readonly by: bigint;
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
function scaleOf(suffix: string): Scale | undefined {
  const power = (base: bigint, exponent: number): Scale =>
    exponent < 0 ? { times: 1n, by: base ** BigInt(-exponent) } : { times: base ** BigInt(exponent), by: 1n };
  const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].indexOf(suffix);
  if (binary >= 0) return power(1024n, binary);
  const decimal = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].indexOf(suffix);
  if (decimal >= 0) return power(1000n, decimal - 3);
  const exponent = /^[eE]([+-]?\d{1,2})$/.exec(suffix)?.[1];
  return exponent === undefined ? undefined : power(10n, Number(exponent));
}

/** https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries */
function createEnvironment(): Environment {
  return new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true })
    .registerType('kubernetes.Quantity', Quantity)
    .registerOperator('optional<dyn> == optional<dyn>', (a: MaybeValue, b: MaybeValue) =>
      isDeepStrictEqual(a.orValue(undefined), b.orValue(undefined)),
    )
    .registerVariable('object', 'dyn')
    .registerVariable('oldObject', 'dyn')
    .registerVariable('params', 'dyn')
    .registerVariable('request', 'dyn')
    .registerVariable('variables', 'dyn')
    .registerFunction('quantity(string): kubernetes.Quantity', (text: string) => new Quantity(text))
    .registerFunction(
      'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool',
      (a: Quantity, b: Quantity) => a.billionths > b.billionths,
    )
    .registerFunction(
      'kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool',
      (a: Quantity, b: Quantity) => a.billionths < b.billionths,
    );
}
