/** Reads the files of an audit: waivers, and the baseline of an earlier run. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { findingKey, type Finding } from '../../../audit/finding.ts';
import { readWaiverList, type Waiver } from '../../../audit/waivers/waiver.ts';
import { type ManifestDocument, readDocuments } from '../../../manifests/documents.ts';
import { YamlError } from '../../../manifests/yaml.ts';
import { CONFIG_KIND } from '../../../options/file.ts';
import { errorMessage } from '../../../util/error-message.ts';
import { isRecord } from '../../../util/is-record.ts';
import { CliError } from '../../shell/failure.ts';
import type { Process } from '../../shell/terminal.ts';

async function documentsOf(file: string, { cwd }: Process): Promise<readonly ManifestDocument[]> {
  try {
    return readDocuments(await readFile(resolve(cwd, file), 'utf8'));
  } catch (error) {
    if (error instanceof YamlError)
      throw new CliError(`${file}:${error.line}: not valid YAML: ${error.message}`);
    throw new CliError(
      `${file}: can't be read: ${(error as NodeJS.ErrnoException).code ?? errorMessage(error)}`,
    );
  }
}

/** Where a document has its waivers: a file of waivers, a plain list, or the operator's configuration. */
function waiversPath(value: unknown): readonly string[] {
  if (!isRecord(value)) return [];
  return value['kind'] === CONFIG_KIND ? ['audit', 'waivers'] : ['waivers'];
}

/** @throws CliError with every problem of the file */
export async function readWaivers(file: string, process: Process): Promise<readonly Waiver[]> {
  const problems: string[] = [];
  const waivers = (await documentsOf(file, process)).flatMap(({ value, lineOf }) => {
    const path = waiversPath(value);
    const list = path.reduce((at: unknown, key) => (isRecord(at) ? at[key] : undefined), value);
    if (!Array.isArray(list)) {
      problems.push(`${file}: no list of waivers; write it under the key waivers`);
      return [];
    }
    const { waivers, invalid } = readWaiverList(list, (index) => `${file}:${lineOf([...path, index])}`);
    problems.push(...invalid);
    return waivers;
  });
  if (problems.length > 0) throw new CliError(problems.join('\n'));
  return waivers;
}

/** The keys of the findings of an earlier run, from its output with -o json or -o yaml. @throws CliError */
export async function readBaseline(file: string, process: Process): Promise<ReadonlySet<string>> {
  const [document] = await documentsOf(file, process);
  const findings = isRecord(document?.value) ? document.value['findings'] : undefined;
  if (!Array.isArray(findings) || !findings.every(isFinding)) {
    throw new CliError(`${file}: has no findings; write it by audit -o json`);
  }
  return new Set(findings.map(findingKey));
}

function isFinding(value: unknown): value is Finding {
  return isRecord(value) && typeof value['check'] === 'string' && isRecord(value['object']);
}
