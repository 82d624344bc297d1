/** Reads files of expectations: the flows that should be allowed or denied. Pure. */
import { isMap, isSeq, LineCounter, parseAllDocuments, type Document } from 'yaml';
import { anyText, isRecord, list, object, oneOf, type Shape, shaped } from '../../../options/shape.ts';
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
  const lineCounter = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter, logLevel: 'silent' });
  const documents: readonly Document[] = Array.isArray(parsed) ? parsed : [];
  const problems: string[] = [];
  const found = documents.flatMap((document): Expectation[] => {
    const [error] = document.errors;
    if (error !== undefined)
      throw new CliError(
        `${file}: not valid YAML: ${(error.message.split('\n')[0] ?? '').replace(/:$/, '')}`,
      );
    const { contents } = document;
    const checks = isMap(contents) ? contents.get('checks', true) : contents;
    if (!isSeq(checks)) {
      problems.push(`${file}: no list of checks; write ${EXAMPLE}`);
      return [];
    }
    const others = isMap(contents)
      ? Object.keys(document.toJS() as object).filter((key) => key !== 'checks')
      : [];
    for (const key of others) problems.push(`${file}: unknown key ${key}; write the list under checks`);
    return checks.items.flatMap((item): Expectation[] => {
      const offset = (item as { readonly range?: readonly number[] | null }).range?.[0] ?? 0;
      const { line } = lineCounter.linePos(offset);
      const value: unknown = (item as { toJS(document: Document): unknown }).toJS(document);
      const one = expectation(value, file, line, problems);
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
