/** SARIF 2.1.0 as GitHub code scanning reads it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Pure. */
import { isAbsolute, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ManifestPlace } from '../../snapshot/objects.ts';
import { version } from '../../util/version.ts';

export type SarifLevel = 'error' | 'warning' | 'note';

export interface SarifRule {
  readonly id: string;
  readonly name: string;
  readonly shortDescription: { readonly text: string };
  /** Code scanning requires this and the help. */
  readonly fullDescription: { readonly text: string };
  readonly help: { readonly text: string };
  readonly defaultConfiguration: { readonly level: SarifLevel };
  readonly properties?: object;
}

export interface SarifResult {
  readonly ruleId: string;
  readonly level: SarifLevel;
  readonly message: { readonly text: string };
  readonly locations: readonly object[];
  readonly partialFingerprints?: Readonly<Record<string, string>>;
}

export function sarifDocument(rules: readonly SarifRule[], results: readonly SarifResult[]): string {
  const driver = { name: 'kubectl-segmentation', semanticVersion: version, rules };
  const document = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver }, results }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The name of a rule in code scanning: `image-latest` is ImageLatest. */
export function ruleName(id: string): string {
  return id.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** @param cwd absolute path; files below it are named relative to it, as code scanning requires for files of a repository */
export function filePlace({ file, line }: ManifestPlace, cwd: string): object {
  return {
    physicalLocation: { artifactLocation: { uri: uriOf(file, cwd) }, region: { startLine: line } },
  };
}

export interface NamedObject {
  readonly name: string;
  /** With kind and namespace. */
  readonly fullName: string;
}

/** The location of an object of Kubernetes. An object of a cluster has no file. */
export function objectPlace(
  { name, fullName }: NamedObject,
  place: ManifestPlace | undefined,
  cwd: string,
): object {
  const source = sourceOf(place);
  return {
    ...(source && filePlace(source, cwd)),
    logicalLocations: [{ name, fullyQualifiedName: fullName, kind: 'object' }],
  };
}

/** The URI of a file for SARIF: relative to `cwd` if it is below it. */
function uriOf(file: string, cwd: string): string {
  const path = isAbsolute(file) ? relative(cwd, file) : file;
  if (isAbsolute(file) && path.startsWith('..')) return pathToFileURL(file).href;
  return path.split('/').map(encodeURIComponent).join('/');
}

/** The file that a person would edit: what a kustomization prints has no lines of its own, and standard input no file. */
function sourceOf(place: ManifestPlace | undefined): ManifestPlace | undefined {
  const [, directory] = /^-k (.*)$/.exec(place?.file ?? '') ?? [];
  if (directory !== undefined)
    return { file: `${directory.replace(/\/+$/, '')}/kustomization.yaml`, line: 1 };
  return place?.file === 'standard input' ? undefined : place;
}
