/** Evaluates CEL rules of CRDs, with the functions of Kubernetes' CEL libraries that this project's CRDs use. Pure. */
import { Environment } from '@marcbachmann/cel-js';
import {
  type Cidr,
  containsCidr,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from '../../policy/semantics/cidr.ts';
import { celEvaluator } from './cel-programs.ts';

export interface CelRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  /** Path of the violation, relative to the value: `.ingress`. */
  readonly fieldPath?: string;
}

/** The message of a rule that `self` violates; undefined if the rule holds. */
export function judge({ rule, message, messageExpression }: CelRule, self: unknown): string | undefined {
  const context = { self: celValue(self), format: new Formats() };
  if (run(rule, context) === true) return undefined;
  const told: unknown = messageExpression === undefined ? undefined : run(messageExpression, context);
  return typeof told === 'string' ? told : (message ?? `failed rule: ${rule}`);
}

const run = celEvaluator(createEnvironment);

/** Integers become BigInt, the library's representation of CEL's int. Only unknown fields hold other numbers. */
export function celValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, celValue(each)]));
}

/** CEL's ip() and cidr() are stricter than NetworkPolicy: no leading zeros, no IPv4 address inside an IPv6 one. */
function isStrict(text: string): boolean {
  const address = parseAddress(text.split('/')[0] ?? '');
  if (address === undefined || /(^|\.)0\d/.test(text)) return false;
  return (
    !text.includes(':') || (!text.includes('.') && address.family === 6 && address.value >> 32n !== 0xffffn)
  );
}

class CelCidr {
  readonly cidr: Cidr;
  readonly address: bigint;

  constructor(text: string) {
    const cidr = parseCidr(text);
    const address = parseAddress(text.split('/')[0] ?? '');
    if (cidr === undefined || address === undefined) throw new TypeError(`${text} is no CIDR`);
    this.cidr = cidr;
    this.address = address.value;
  }
}

class CelIP {
  readonly family: bigint;

  constructor(text: string) {
    const address = parseAddress(text);
    if (address === undefined) throw new TypeError(`${text} is no address`);
    this.family = BigInt(address.family);
  }
}

const NAME =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** `format.qualifiedName()`: keys of labels and annotations. */
class Formats {
  readonly qualifiedName = new QualifiedName();
}
class QualifiedName {
  readonly pattern = NAME;
}

/** Result of `validate`: CEL's optional list of messages, of which only the presence is used. */
class Findings {
  readonly found: boolean;

  constructor(found: boolean) {
    this.found = found;
  }
}

/** https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries */
function createEnvironment(): Environment {
  return new Environment({ homogeneousAggregateLiterals: false })
    .registerType('net.CIDR', CelCidr)
    .registerType('net.IP', CelIP)
    .registerType('kubernetes.Formats', Formats)
    .registerType('kubernetes.NamedFormat', QualifiedName)
    .registerType('kubernetes.Findings', Findings)
    .registerVariable('self', 'dyn')
    .registerVariable('format', 'kubernetes.Formats')
    .registerFunction(
      'isCIDR(string): bool',
      (text: string) => isStrict(text) && parseCidr(text) !== undefined,
    )
    .registerFunction('cidr(string): net.CIDR', (text: string) => new CelCidr(text))
    .registerFunction('isIP(string): bool', (text: string) => !text.includes('/') && isStrict(text))
    .registerFunction('ip(string): net.IP', (text: string) => new CelIP(text))
    .registerFunction('net.IP.family(): int', (ip: CelIP) => ip.family)
    .registerFunction('net.CIDR.masked(): net.CIDR', ({ cidr }: CelCidr) => new CelCidr(formatCidr(cidr)))
    .registerFunction('net.CIDR.prefixLength(): int', ({ cidr }: CelCidr) => BigInt(cidr.prefix))
    .registerFunction('net.CIDR.containsCIDR(string): bool', ({ cidr }: CelCidr, text: string) =>
      containsCidr(cidr, new CelCidr(text).cidr),
    )
    .registerFunction(
      'string(net.CIDR): string',
      ({ cidr, address }: CelCidr) =>
        `${formatAddress({ family: cidr.family, value: address })}/${cidr.prefix}`,
    )
    .registerOperator(
      'net.CIDR == net.CIDR',
      (a: CelCidr, b: CelCidr) => a.address === b.address && a.cidr.prefix === b.cidr.prefix,
    )
    .registerFunction(
      'kubernetes.Formats.qualifiedName(): kubernetes.NamedFormat',
      ({ qualifiedName }: Formats) => qualifiedName,
    )
    .registerFunction(
      'kubernetes.NamedFormat.validate(string): kubernetes.Findings',
      ({ pattern }: QualifiedName, key: string) =>
        new Findings(!pattern.test(key) || (key.split('/').at(-2)?.length ?? 0) > 253),
    )
    .registerFunction('kubernetes.Findings.hasValue(): bool', ({ found }: Findings) => found)
    .registerFunction('list.isSorted(): bool', (list: readonly (bigint | string)[]) =>
      list.every((each, index) => index === 0 || (list[index - 1] ?? each) <= each),
    )
    .registerFunction('string.format(list): string', (text: string, values: readonly unknown[]) => {
      const rest = [...values];
      return text.replaceAll('%s', () => String(rest.shift()));
    });
}
