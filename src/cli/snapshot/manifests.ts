/** Reads manifests: files, directories, kustomizations and standard input; YAML of many documents, JSON, Lists. */
import { spawn } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import type { KubeObject } from '../../api/meta.ts';
import { GROUP, KIND, LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import { didYouMean } from '../../util/suggest.ts';
import { decodeText, type ManifestDocument, readDocuments } from '../../manifests/documents.ts';
import { YamlError } from '../../manifests/yaml.ts';
import { isRecord } from '../../options/shape.ts';
import { CliError } from '../shell/failure.ts';
import type { Process } from '../shell/terminal.ts';
import { groupOf, knownKind, ObjectSet } from './objects.ts';
import { checkedProfile } from './profile.ts';

export interface ManifestSources {
  /** Paths, and `-` for standard input. */
  readonly files: readonly string[];
  /** Directories for `kubectl kustomize`. */
  readonly kustomizations: readonly string[];
  /** Where objects are that name no namespace. */
  readonly namespace: string;
}

export interface Manifests {
  readonly objects: ObjectSet;
  /** Namespaces of which there is no manifest: only their name is known. */
  readonly assumed: readonly string[];
  /** Whether an object named no namespace. */
  readonly defaulted: boolean;
}

const TEMPLATE = '(a Helm template? Pipe what `helm template` prints instead)';
const EXTENSIONS = /\.(ya?ml|json)$/i;

/** @throws CliError for what can't be read */
export async function readManifests(sources: ManifestSources, process: Process): Promise<Manifests> {
  const objects = new ObjectSet();
  const namespaces = new Set<string>();
  let defaulted = false;
  const take = (object: KubeObject, at: string) => {
    const known = knownKind(object);
    if (known === undefined) return refuseNearMiss(object, at);
    if (known.kind === KIND) return objects.put(KIND, checkedProfile(object, at));
    const { namespace } = object.metadata;
    if (!known.namespaced) return objects.put(known.kind, { ...object, metadata: plain(object.metadata) });
    if (!namespace) defaulted = true;
    const metadata = { ...object.metadata, namespace: namespace || sources.namespace };
    namespaces.add(metadata.namespace);
    objects.put(known.kind, { ...object, metadata });
  };
  for (const { name, content } of await contents(sources, process)) {
    for (const { value, line } of documents(content, name)) {
      const at = `${name}:${line}`;
      for (const object of flattened(value, at)) take(object, at);
    }
  }
  const assumed = [...namespaces].filter((name) => objects.get('Namespace', name) === undefined).sort();
  return { objects, assumed, defaulted };
}

/** A Namespace of which nothing but its name is known. */
export function assumedNamespace(name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { [LABEL_NAMESPACE_NAME]: name } },
  };
}

function plain(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { namespace: _, ...rest } = metadata;
  return rest;
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
    else result.push(...(await filesAt(resolve(process.cwd, file), file)));
  }
  for (const directory of kustomizations) result.push(await kustomized(directory, process));
  return result;
}

async function filesAt(path: string, shown: string): Promise<Content[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new CliError(`${shown}: no such file or directory`);
  if (!found.isDirectory()) return [{ name: shown, content: decodeText(await readFile(path)) }];
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const names = entries
    .filter((entry) => entry.isFile() && EXTENSIONS.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (names.length === 0) throw new CliError(`${shown}: no .yaml, .yml or .json file in it or below`);
  return Promise.all(
    names.map(async (name) => ({
      name: shown + name.slice(path.length),
      content: decodeText(await readFile(name)),
    })),
  );
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

/** The objects of a document: itself, those of a List, or none if it is empty or no object of Kubernetes. */
function flattened(value: unknown, at: string): KubeObject[] {
  if (!isRecord(value)) return [];
  const { kind, metadata, items } = value;
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    // What `kubectl get` prints says the kind of each item; what the API server sends only that of the list.
    const item = { apiVersion: value.apiVersion, kind: kind.slice(0, -'List'.length) };
    return items.flatMap((each: unknown) =>
      flattened(isRecord(each) ? { ...(kind !== 'List' && item), ...each } : each, at),
    );
  }
  if (isRecord(kind)) throw new CliError(`${at}: kind is not a text ${TEMPLATE}`);
  if (typeof kind !== 'string' || !isRecord(metadata)) return [];
  if (typeof metadata.name !== 'string' || metadata.name === '') {
    if (typeof metadata.generateName === 'string') return [];
    throw new CliError(`${at}: this ${kind} has no metadata.name`);
  }
  return [value as unknown as KubeObject];
}

/** Other kinds are none of our business, but a slip in ours must not go unseen. */
function refuseNearMiss({ apiVersion = '', kind = '' }: KubeObject, at: string): void {
  if (groupOf(apiVersion) !== GROUP) return;
  throw new CliError(`${at}: ${apiVersion} has no kind ${kind}${didYouMean(kind, [KIND])}`);
}
