/** Reads files of expectations: the flows that should be allowed or denied. Pure. */
import { type ManifestDocument, readDocuments } from '../../../manifests/documents.ts';
import { YamlError } from '../../../manifests/yaml.ts';
import { anyText, list, object, oneOf, type Shape, shaped } from '../../../options/shape.ts';
import { isRecord } from '../../../util/is-record.ts';
import { CliError } from '../../shell/failure.ts';

export interface Expectation {
  /** The name in reports. */
  readonly name: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** Ports in the syntax of `--port`; empty for the ports that the destination serves. */
  readonly ports: readonly string[];
  readonly expect: 'allow' | 'deny';
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

const EXPECTED = ['allow', 'deny'] as const;

/** Accepts an item, or a list of items. */
function oneOrMore(item: Shape<string>): Shape<readonly string[]> {
  const several = list(item);
  return shaped({ anyOf: [item.schema, several.schema] }, (value, at, problems) => {
    if (Array.isArray(value)) return several(value, at, problems);
    const only = item(value, at, problems);
    return only === undefined ? undefined : [only];
  });
}

const port: Shape<string> = shaped({ type: ['string', 'number'] }, (value, at, problems) =>
  typeof value === 'number' ? String(value) : anyText(value, at, problems),
);

const shape = object({
  name: anyText,
  from: oneOrMore(anyText),
  to: oneOrMore(anyText),
  port: oneOrMore(port),
  expect: oneOf(...EXPECTED),
});

const EXAMPLE_CHECK = '{from: shop/web, to: shop/svc/api, port: 8080, expect: allow}';
const EXAMPLE = `checks: [${EXAMPLE_CHECK}]`;

/**
 * @param file the name of the file in messages
 * @throws CliError with every error of the file
 */
export function readExpectations(text: string, file: string): Expectation[] {
  const problems: string[] = [];
  const found = documentsOf(text, file).flatMap((document): Expectation[] => {
    const { value } = document;
    for (const { key, line } of document.duplicateKeys)
      problems.push(`${file}:${line}: the key ${key} is there twice; leave one out`);
    const checks = isRecord(value) ? value['checks'] : value;
    if (!Array.isArray(checks)) {
      problems.push(`${file}: no list of checks; write ${EXAMPLE}`);
      return [];
    }
    const others = isRecord(value) ? Object.keys(value).filter((key) => key !== 'checks') : [];
    for (const key of others) problems.push(`${file}: unknown key ${key}; write the list under checks`);
    return checks.flatMap((item: unknown, index): Expectation[] => {
      const line = document.lineOf(isRecord(value) ? ['checks', index] : [index]);
      const one = expectation(item, file, line, problems);
      return one === undefined ? [] : [one];
    });
  });
  if (problems.length > 0) throw new CliError(problems.join('\n'));
  if (found.length === 0) throw new CliError(`${file}: no checks in it; write ${EXAMPLE}`);
  return found;
}

/** Keys without which a check means nothing, and what to write there. */
const REQUIRED = {
  from: 'an end, such as shop/deploy/web',
  to: 'an end, such as shop/deploy/web',
  expect: 'allow or deny',
} as const;

/** True for null and for an empty list, which templates write in place of a value that they lack. */
function isEmpty(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 0);
}

function documentsOf(text: string, file: string): readonly ManifestDocument[] {
  try {
    return readDocuments(text);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new CliError(`${file}:${error.line}: not valid YAML: ${error.message}`);
  }
}

function expectation(
  value: unknown,
  file: string,
  line: number,
  problems: string[],
): Expectation | undefined {
  const at = `${file}:${line}: `;
  if (!isRecord(value)) {
    problems.push(`${at}${JSON.stringify(value)} is no check; write ${EXAMPLE_CHECK}`);
    return undefined;
  }
  const before = problems.length;
  const read = shape(value, at, problems);
  for (const [key, advice] of Object.entries(REQUIRED)) {
    if (value[key] === undefined) problems.push(`${at}${key} is missing; write ${advice}`);
    else if (isEmpty(value[key])) {
      const effect = key === 'expect' ? '' : ': no flow would be checked';
      problems.push(`${at}${key} is empty${effect}; write ${advice}`);
    }
  }
  if (value['port'] !== undefined && isEmpty(value['port'])) {
    problems.push(`${at}port is empty; write a port, such as 8443, or leave port out for every port`);
  }
  if (read === undefined || problems.length > before) return undefined;
  const { from = [], to = [], port = [], expect = 'allow' } = read;
  const name =
    read.name ??
    `${from.join(', ')} ${expect === 'allow' ? 'reaches' : 'does not reach'} ${to.join(', ')}${port.length > 0 ? ` on ${port.join(', ')}` : ''}`;
  return { name, from, to, ports: port, expect, file, line };
}
