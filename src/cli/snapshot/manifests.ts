/** Reads manifests: files, directories, kustomizations and standard input; YAML of many documents, JSON, Lists. */
import { spawn } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import type { KubeObject } from '../../api/meta.ts';
import { removalOf } from '../../audit/platform/api-removals.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import { decodeText, type ManifestDocument, readDocuments } from '../../manifests/documents.ts';
import { type Path, YamlError } from '../../manifests/yaml.ts';
import { isRecord } from '../../util/is-record.ts';
import { CliError } from '../shell/failure.ts';
import type { Process } from '../shell/terminal.ts';
import { admittedManifest, kindOf, type Place } from './admission.ts';
import {
  groupOf,
  isPolicyByName,
  type KnownKind,
  type ManifestPlace,
  ObjectSet,
} from '../../snapshot/objects.ts';

export interface ManifestSources {
  /** Paths, and `-` for standard input. */
  readonly files: readonly string[];
  /** Directories for `kubectl kustomize`. */
  readonly kustomizations: readonly string[];
  /** Where objects are that name no namespace. */
  readonly namespace: string;
  /** Kinds to read beside those that all commands read. */
  readonly further?: readonly KnownKind[];
}

export interface Manifests {
  readonly objects: ObjectSet;
  /** Namespaces without a manifest: only their names are known. */
  readonly assumed: readonly string[];
  /** True if an object named no namespace. */
  readonly defaulted: boolean;
  /** Parts of the manifests that kubectl reads in a way that may surprise. */
  readonly warnings: readonly string[];
}

const TEMPLATE = '(a Helm template? Pipe what `helm template` prints instead)';
const EXTENSIONS = /\.(ya?ml|json)$/i;

/** @throws CliError with everything that can't be read, or that the API server would refuse */
export async function readManifests(sources: ManifestSources, process: Process): Promise<Manifests> {
  const reading = new Reading(sources);
  for (const { name, content } of await contents(sources, process)) {
    for (const document of documents(content, name)) reading.add(document, name);
  }
  return reading.result();
}

/** Objects as they are read, document by document. */
class Reading {
  readonly #namespace: string;
  readonly #further: readonly KnownKind[];
  readonly #objects = new ObjectSet();
  readonly #namespaces = new Set<string>();
  readonly #errors: string[] = [];
  readonly #warnings: string[] = [];
  #defaulted = false;
  #generated = 0;

  constructor({ namespace, further = [] }: Pick<ManifestSources, 'namespace' | 'further'>) {
    this.#namespace = namespace;
    this.#further = further;
  }

  add(document: ManifestDocument, file: string): void {
    for (const { key, line } of document.duplicateKeys) {
      this.#warnings.push(
        `${file}:${line}: the key ${key} is there twice: the last one counts, as for kubectl`,
      );
    }
    for (const part of partsOf(document.value)) {
      const lineOf = (path: Path) => document.lineOf([...part.path, ...path]);
      try {
        this.#take(part.value, { file, lineOf });
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        this.#errors.push(error.message);
      }
    }
  }

  result(): Manifests {
    if (this.#errors.length > 0) throw new CliError(this.#errors.join('\n'));
    const isDescribed = (name: string) => this.#objects.get('Namespace', name) !== undefined;
    return {
      objects: this.#objects,
      assumed: [...this.#namespaces].filter((name) => !isDescribed(name)).sort(),
      defaulted: this.#defaulted,
      warnings: this.#warnings,
    };
  }

  /**
   * Keeps type and name of an object whose API version Kubernetes has stopped to serve, or will, and of a policy or route of
   * a kind or version that this program does not know.
   */
  #noteUnreadable(value: unknown, place: Place): void {
    if (!isNamedObject(value)) return;
    const { apiVersion, kind, metadata } = value;
    const isMissed = this.#further.length > 0 && isLikeKind(apiVersion, kind, this.#further);
    if (removalOf(apiVersion, kind) === undefined && !isMissed) return;
    const { name, namespace } = metadata;
    const kept = { name, ...(namespace && { namespace }) };
    this.#objects.noteUnreadable({ apiVersion, kind, metadata: kept }, new LazyPlace(place));
  }

  #take(value: unknown, place: Place): void {
    const known = kindOf(value, place, this.#further);
    if (known === undefined) {
      this.#noteUnreadable(value, place);
      const namespace = customNamespace(value, this.#namespace);
      if (namespace !== undefined) this.#objects.noteCustom(namespace);
      return;
    }
    const { object: admitted, warnings } = admittedManifest(value, known, place);
    this.#warnings.push(...warnings);
    const source = new LazyPlace(place);
    const { metadata, ...object } = admitted;
    const { generateName, namespace: given, ...rest } = metadata;
    // The API server appends five random characters.
    const name = metadata.name || `${generateName ?? ''}${String(++this.#generated).padStart(5, '0')}`;
    if (!known.namespaced) {
      this.#objects.put(known.kind, { ...object, metadata: { ...rest, name } }, source);
      return;
    }
    if (!given) this.#defaulted = true;
    const namespace = given || this.#namespace;
    this.#namespaces.add(namespace);
    this.#objects.put(known.kind, { ...object, metadata: { ...rest, name, namespace } }, source);
  }
}

/** True for another version of a kind that is read, and for a kind that is a policy by its name. */
function isLikeKind(apiVersion: string, kind: string, known: readonly KnownKind[]): boolean {
  const group = groupOf(apiVersion);
  const isKnown = known.some((each) => each.group === group && (each.wireKind ?? each.kind) === kind);
  return group.includes('.') && (isKnown || isPolicyByName(kind));
}

/** True for an object with apiVersion, kind and a name. */
function isNamedObject(value: unknown): value is Required<KubeObject> {
  if (!isRecord(value) || !isRecord(value['metadata'])) return false;
  return [value['apiVersion'], value['kind'], value['metadata']['name']].every(
    (each) => typeof each === 'string' && each !== '',
  );
}

/** The namespace of an object of a custom kind, which has a group with a domain of its own; undefined for any other. */
function customNamespace(value: unknown, defaultNamespace: string): string | undefined {
  if (!isRecord(value) || typeof value['apiVersion'] !== 'string') return undefined;
  const group = groupOf(value['apiVersion']);
  if (!group.includes('.') || group.endsWith('.k8s.io')) return undefined;
  const { namespace } = isRecord(value['metadata']) ? value['metadata'] : {};
  return typeof namespace === 'string' && namespace !== '' ? namespace : defaultNamespace;
}

/** The place of an object, whose line is found when it is asked for: most objects are never asked. */
class LazyPlace implements ManifestPlace {
  readonly file: string;
  readonly #lineOf: Place['lineOf'];

  constructor({ file, lineOf }: Place) {
    this.file = file;
    this.#lineOf = lineOf;
  }

  get line(): number {
    return this.#lineOf([]);
  }
}

/** A Namespace of which nothing but its name is known. */
export function assumedNamespace(name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { [LABEL_NAMESPACE_NAME]: name } },
  };
}

interface Content {
  readonly name: string;
  readonly content: string;
}

async function contents({ files, kustomizations }: ManifestSources, process: Process): Promise<Content[]> {
  const result: Content[] = [];
  if (files.includes('-') && process.stdin.readableEnded) {
    throw new CliError('standard input can be read once: name a file for one of the two');
  }
  for (const file of files) {
    if (file === '-')
      result.push({ name: 'standard input', content: decodeText(await buffer(process.stdin)) });
    else for (const each of await filesAt(resolve(process.cwd, file), file)) result.push(each);
  }
  for (const directory of kustomizations) result.push(await kustomized(directory, process));
  return result;
}

async function filesAt(path: string, shown: string): Promise<Content[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new CliError(`${shown}: no such file or directory`);
  if (!found.isDirectory()) return [{ name: shown, content: await readText(path, shown) }];
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const names = entries
    .filter((entry) => entry.isFile() && EXTENSIONS.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (names.length === 0) throw new CliError(`${shown}: no .yaml, .yml or .json file in it or below`);
  return Promise.all(
    names.map(async (name) => ({
      name: shown + name.slice(path.length),
      content: await readText(name, shown + name.slice(path.length)),
    })),
  );
}

async function readText(path: string, shown: string): Promise<string> {
  try {
    return decodeText(await readFile(path));
  } catch (error) {
    throw new CliError(`${shown}: can't be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}

async function kustomized(directory: string, { cwd, env }: Process): Promise<Content> {
  const child = spawn('kubectl', ['kustomize', directory], {
    cwd,
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  try {
    const [content, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    if (code === 0) return { name: `-k ${directory}`, content };
    throw new CliError(`-k ${directory}: ${errors.trim().replace(/^error: /, '')}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CliError(
      `-k ${directory} needs kubectl on the PATH; or pipe what builds it: kustomize build ${directory} | … -f -`,
    );
  }
}

/** The documents of a file. @throws CliError if it is not YAML or JSON */
function documents(content: string, name: string): readonly ManifestDocument[] {
  try {
    return readDocuments(content);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    const templated = /\{\{.*\}\}/.test(content) ? ` ${TEMPLATE}` : '';
    throw new CliError(`${name}:${error.line}: not valid YAML: ${error.message}${templated}`);
  }
}

export interface Part {
  readonly value: unknown;
  /** Where the part is in its document. */
  readonly path: Path;
}

/** The parts of a document that are objects of their own: the items of a List, also of Lists within it, or itself. */
export function partsOf(value: unknown, path: Path = []): Part[] {
  if (!isRecord(value) || typeof value.kind !== 'string' || !value.kind.endsWith('List'))
    return [{ value, path }];
  const { apiVersion, kind, items } = value;
  if (items === null) return [];
  if (!Array.isArray(items)) return [{ value, path }];
  // Items of a typed list, such as a PodList, have no kind of their own.
  const type = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -'List'.length) };
  return items.flatMap((item: unknown, index) => {
    const isTyped = isRecord(item) && (item.kind ?? item.apiVersion ?? undefined) !== undefined;
    return partsOf(isRecord(item) && !isTyped ? { ...item, ...type } : item, [...path, 'items', index]);
  });
}
