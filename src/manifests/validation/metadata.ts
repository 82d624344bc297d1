/** Validation of metadata and label selectors, as k8s.io/apimachinery has it for every kind. Pure. */
import type { LabelSelector, ObjectMeta } from '../../api/meta.ts';
import type { Report } from '../violations.ts';
import type { Path } from '../yaml.ts';
import { dnsLabelProblem, labelValueProblem, qualifiedNameProblem } from './names.ts';

/** A check of names: each kind has a form of names.ts. */
export type NameCheck = (name: string) => string | undefined;

export interface Metadata extends ObjectMeta {
  readonly generateName?: string;
  readonly finalizers?: readonly string[];
}

const MAX_ANNOTATIONS_BYTES = 256 * 1024;

export interface MetadataRules {
  readonly checkName: NameCheck;
  /** True if objects of the kind are in a namespace. */
  readonly isNamespaced: boolean;
  /** True if a finalizer needs no prefix. */
  readonly anyFinalizer?: boolean;
}

/** Finalizers of Kubernetes itself, which have no prefix. */
const STANDARD_FINALIZERS: ReadonlySet<string> = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

export function validateMetadata(
  metadata: Metadata | undefined,
  { checkName, isNamespaced, anyFinalizer = false }: MetadataRules,
  report: Report,
): void {
  const { name = '', generateName = '', namespace = '', labels = {}, annotations = {} } = metadata ?? {};
  if (name !== '') reportProblem(checkName(name), ['metadata', 'name'], report);
  else if (generateName === '') report(['metadata', 'name'], 'is required');
  if (generateName !== '') {
    // Random characters follow, so that it may end in a dash.
    const start = generateName.replace(/(?<=.)-$/, 'a');
    reportProblem(checkName(start), ['metadata', 'generateName'], report);
  }
  // The API server drops the namespace of an object whose kind has none.
  if (isNamespaced && namespace !== '') {
    reportProblem(dnsLabelProblem(namespace), ['metadata', 'namespace'], report);
  }
  validateLabels(labels, ['metadata', 'labels'], report);
  validateAnnotations(annotations, ['metadata', 'annotations'], report);
  for (const [index, owner] of (metadata?.ownerReferences ?? []).entries()) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (!owner[field]) report(['metadata', 'ownerReferences', index, field], 'is required');
    }
  }
  for (const [index, finalizer] of (metadata?.finalizers ?? []).entries()) {
    const problem =
      anyFinalizer || finalizer.includes('/') || STANDARD_FINALIZERS.has(finalizer)
        ? qualifiedNameProblem(finalizer)
        : `"${finalizer}" must be PREFIX/NAME`;
    reportProblem(problem, ['metadata', 'finalizers', index], report);
  }
}

export function validateLabels(labels: Readonly<Record<string, string>>, path: Path, report: Report): void {
  for (const [key, value] of Object.entries(labels)) {
    reportProblem(qualifiedNameProblem(key), [...path, key], report);
    reportProblem(labelValueProblem(value), [...path, key], report);
  }
}

function validateAnnotations(
  annotations: Readonly<Record<string, string>>,
  path: Path,
  report: Report,
): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    reportProblem(qualifiedNameProblem(key.toLowerCase()), [...path, key], report);
    bytes += new TextEncoder().encode(key + value).length;
  }
  if (bytes > MAX_ANNOTATIONS_BYTES)
    report(path, `must have at most ${MAX_ANNOTATIONS_BYTES} bytes, and has ${bytes}`);
}

export function validateSelector(selector: LabelSelector | undefined, path: Path, report: Report): void {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  validateLabels(matchLabels, [...path, 'matchLabels'], report);
  for (const [index, { key = '', operator, values = [] }] of matchExpressions.entries()) {
    const at = [...path, 'matchExpressions', index];
    reportProblem(qualifiedNameProblem(key), [...at, 'key'], report);
    switch (operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0)
          report([...at, 'values'], `is required with ${operator}: write at least one value`);
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0) report([...at, 'values'], `is not allowed with ${operator}: leave it out`);
        break;
      default:
        report(
          [...at, 'operator'],
          `"${String(operator)}" is not supported: write In, NotIn, Exists or DoesNotExist`,
        );
    }
    for (const [position, value] of values.entries()) {
      reportProblem(labelValueProblem(value), [...at, 'values', position], report);
    }
  }
}

export function reportProblem(problem: string | undefined, path: Path, report: Report): void {
  if (problem !== undefined) report(path, problem);
}
