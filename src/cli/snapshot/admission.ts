/** Admits objects of manifests as the API server would: by kind and version, by schema, and by validation. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { EXCEPTION_KIND, GROUP, KIND } from '../../api/names.ts';
import { admitKind, admitUnknownKind, hasSchema } from '../../manifests/kinds.ts';
import { pathText, type Violation } from '../../manifests/violations.ts';
import type { Path } from '../../manifests/yaml.ts';
import { didYouMean } from '../../util/text/suggest.ts';
import { isRecord } from '../../util/is-record.ts';
import { CliError } from '../shell/failure.ts';
import { groupOf, KNOWN_KINDS, type KnownKind } from '../../snapshot/objects.ts';
import { admitException } from './exception.ts';
import { admitProfile } from './profile.ts';

/** The place of an object in a file, for messages. */
export interface Place {
  readonly file: string;
  /** Line of a value of the object. Costs a pass over the text, so that only messages ask for it. */
  readonly lineOf: (path: Path) => number;
}

export interface ManifestObject extends KubeObject {
  readonly metadata: KubeObject['metadata'] & { readonly generateName?: string };
}

const TEMPLATE = '(a Helm template? Pipe what `helm template` prints instead)';

/** Groups that only the API server itself serves, and their predecessor. */
const BUILT_IN_GROUPS: ReadonlySet<string> = new Set([
  ...KNOWN_KINDS.map(({ group }) => group).filter((group) => group !== GROUP),
  'extensions',
]);
/** Groups with few kinds, so that a similar name is a slip. */
const SMALL_GROUPS: ReadonlySet<string> = new Set(['apps', 'batch', 'discovery.k8s.io', 'networking.k8s.io']);
const OTHER_KINDS: ReadonlySet<string> = new Set([
  'ControllerRevision',
  'Ingress',
  'IngressClass',
  'IPAddress',
]);

/**
 * The kind of a document, if commands read it. A document without a kind is no manifest, such as values for Helm.
 *
 * @param further kinds that this command reads beside those that all do
 * @throws CliError if the document is no object, or almost has a kind that commands read
 */
export function kindOf(
  value: unknown,
  place: Place,
  further: readonly KnownKind[] = [],
): KnownKind | undefined {
  if (!isRecord(value)) {
    throw new CliError(
      `${startOf(place)}: is ${Array.isArray(value) ? 'a list' : 'a text'} and no object: write apiVersion, kind and metadata`,
    );
  }
  const { apiVersion, kind } = value;
  if (isRecord(kind) || isRecord(apiVersion))
    throw new CliError(`${startOf(place)}: kind is not a text ${TEMPLATE}`);
  if (typeof kind !== 'string' || kind === '') return undefined;
  const candidates = KNOWN_KINDS.filter((each) => each.kind === kind);
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    if (candidates.length === 0) return undefined;
    throw new CliError(
      `${startOf(place)}: this ${kind} has no apiVersion; write ${candidates.map(versionOf).join(' or ')}`,
    );
  }
  const group = groupOf(apiVersion);
  const found = candidates.find((each) => each.group === group);
  if (found !== undefined && versionOf(found) === apiVersion) return found;
  if (found !== undefined)
    throw new CliError(`${startOf(place)}: apiVersion ${apiVersion} is not known; write ${versionOf(found)}`);
  const other = further.find(
    (each) => (each.wireKind ?? each.kind) === kind && versionOf(each) === apiVersion,
  );
  if (other !== undefined) return other;
  refuseNearMiss(apiVersion, kind, place);
  return undefined;
}

/** Other kinds do not matter here, but a slip in a kind that does would go unseen. */
function refuseNearMiss(apiVersion: string, kind: string, place: Place): void {
  const group = groupOf(apiVersion);
  if (group !== GROUP && !BUILT_IN_GROUPS.has(group)) return;
  const elsewhere = KNOWN_KINDS.find((each) => each.kind === kind);
  if (elsewhere !== undefined) {
    throw new CliError(
      `${startOf(place)}: ${apiVersion} has no kind ${kind}; write apiVersion: ${versionOf(elsewhere)}`,
    );
  }
  const ofGroup = KNOWN_KINDS.filter((each) => each.group === group);
  const meant =
    group === GROUP || (SMALL_GROUPS.has(group) && !OTHER_KINDS.has(kind))
      ? didYouMean(
          kind,
          ofGroup.map((each) => each.kind),
        )
      : '';
  const sameLetters = ofGroup.find((each) =>
    [each.kind.toLowerCase(), each.plural].includes(kind.toLowerCase()),
  );
  if (group !== GROUP && meant === '' && sameLetters === undefined) return;
  const suggestion = meant || (sameLetters === undefined ? '' : ` (did you mean "${sameLetters.kind}"?)`);
  throw new CliError(`${startOf(place)}: ${apiVersion} has no kind ${kind}${suggestion}`);
}

function versionOf({ group, version }: KnownKind): string {
  return group === '' ? version : `${group}/${version}`;
}

export interface AdmittedManifest {
  readonly object: ManifestObject;
  /** Violations of an object that a cluster has stored all the same. */
  readonly warnings: readonly string[];
}

/**
 * The object as the API server would store it. An object with a uid was read from a cluster, which may run another
 * version of Kubernetes: its unknown fields and values are warnings.
 *
 * @throws CliError with every violation and its line
 */
export function admittedManifest(raw: unknown, known: KnownKind, place: Place): AdmittedManifest {
  const { value, violations } = admitted(raw, known);
  const lines = violations.map(({ path, message }) => {
    const where = pathText(path);
    return `${where === '' ? known.kind : where}: ${message} (line ${place.lineOf(path)})`;
  });
  const isReadable = violations.every(({ isUndecodable }) => isUndecodable !== true);
  if (violations.length === 0) return { object: value as ManifestObject, warnings: [] };
  const title = titleOf(raw, known);
  if (known.kind !== KIND && isReadable && isStored(raw)) {
    const warnings = lines.map(
      (line) =>
        `${startOf(place)}: ${title} is taken as it is, as a cluster has stored it (it has a uid): ${line}`,
    );
    return { object: value as ManifestObject, warnings };
  }
  throw new CliError(
    `${startOf(place)}: ${title} is not valid:\n${[...new Set(lines)].map((line) => `  ${line}`).join('\n')}`,
  );
}

function admitted(raw: unknown, known: KnownKind): Admitted {
  if (known.kind === KIND) return admitProfile(raw);
  return known.kind === EXCEPTION_KIND ? admitException(raw) : admitBuiltIn(raw, known);
}

/** FILE:LINE where the object begins. */
function startOf({ file, lineOf }: Place): string {
  return `${file}:${lineOf([])}`;
}

function isStored(raw: unknown): boolean {
  const metadata = isRecord(raw) && isRecord(raw.metadata) ? raw.metadata : {};
  return typeof metadata.uid === 'string' && metadata.uid !== '';
}

interface Admitted {
  readonly value: unknown;
  readonly violations: readonly Violation[];
}

function admitBuiltIn(raw: unknown, known: KnownKind): Admitted {
  const type = { apiVersion: versionOf(known), kind: known.kind, isNamespaced: known.namespaced };
  if (hasSchema(type.apiVersion, type.kind)) return admitKind(type, raw);
  return isRecord(raw) ? admitUnknownKind(raw) : { value: raw, violations: [] };
}

/** `NetworkPolicy shop/web`, as far as the object has a name. */
function titleOf(raw: unknown, { kind }: KnownKind): string {
  const metadata = isRecord(raw) && isRecord(raw.metadata) ? raw.metadata : {};
  const parts = [metadata.namespace, metadata.name].filter((part) => typeof part === 'string' && part !== '');
  return parts.length === 0 ? `this ${kind}` : `${kind} ${parts.join('/')}`;
}
