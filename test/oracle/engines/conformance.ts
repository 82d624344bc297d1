/**
 * Reads the conformance tests of ClusterNetworkPolicy as data: the manifests that a test applies, the changes that it makes
 * to them, and the flows that must pass or not. A test is read as far as its statements are understood. No text of the
 * tests is kept.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';

export interface Poke {
  /** `NAMESPACE/NAME`. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly isAllowed: boolean;
}

/** The flows that must pass or not while these objects are in the cluster. */
export interface ConformanceCase {
  readonly name: string;
  readonly objects: readonly KubeObject[];
  readonly pokes: readonly Poke[];
}

interface Rule {
  action: string;
}

type Policy = KubeObject & {
  spec: { priority: number; ingress?: Rule[]; egress?: Rule[] };
};

export function objectsOf(folder: string, manifest: string): KubeObject[] {
  return parseAllDocuments(readFileSync(join(folder, manifest), 'utf8'))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

/** The cases of a tier. @param folder `conformance` of the module */
export function conformanceCases(folder: string, tier: 'admin' | 'baseline-admin'): ConformanceCase[] {
  const tests = join(folder, 'tests');
  return readdirSync(tests)
    .filter((name) => name.startsWith(`${tier}-`))
    .flatMap((name) => {
      const text = readFileSync(join(tests, name), 'utf8');
      const manifests = /Manifests:\s*\[\]string\{([^}]*)\}/.exec(text)?.[1] ?? '';
      const objects = [...manifests.matchAll(/"([^"]+)"/g)].flatMap(([, each = '']) =>
        objectsOf(folder, each),
      );
      return new TestReader(name.replace('.go', ''), objects).read(text.slice(text.indexOf('Test: func')));
    });
}

const NAMED = String.raw`(\w+) :?= kubernetes\.`;
const GET_POD = new RegExp(String.raw`^${NAMED}GetPod\(t, s\.Client, "([^"]+)", "([^"]+)"`);
const GET_POLICY = new RegExp(
  String.raw`^cnp :?= kubernetes\.GetClusterNetworkPolicy\(t, s\.Client, "([^"]+)"`,
);
const POKE =
  /^kubernetes\.PokeServer\(t, [^"]*"([^"]+)", "([^"]+)", "(\w+)", (\w+)\.Status\.PodIP, int32\((\d+)\), s\.TimeoutConfig, (true|false)\)/;
const RULE = String.raw`mutate\.Spec\.(Ingress|Egress)\[(\d+)\]`;
const KEEP_RULE = new RegExp(String.raw`^(\w+) :?= ${RULE}$`);
const MOVE_RULE = new RegExp(String.raw`^${RULE} = ${RULE}$`);
const PUT_RULE = new RegExp(String.raw`^${RULE} = (\w+)$`);
const PASS = new RegExp(String.raw`^${RULE}\.Action = api\.ClusterNetworkPolicyRuleActionPass$`);
const PRIORITY = /^mutate\.Spec\.Priority = (\d+)$/;
/** Statements that change what is in the cluster. */
const CHANGES = /mutate|Rule\w*\b.*=|\.(?:Create|Delete|Patch|Set|Update)\w*\(|PokeServer/;

class TestReader {
  readonly #name: string;
  readonly #cases: ConformanceCase[] = [];
  readonly #pods = new Map<string, string>();
  readonly #kept = new Map<string, Rule>();
  #objects: readonly KubeObject[];
  #policy: Policy | undefined;
  #pokes: Poke[] = [];

  constructor(name: string, objects: readonly KubeObject[]) {
    this.#name = name;
    this.#objects = objects;
  }

  read(text: string): readonly ConformanceCase[] {
    const statements = text
      .replaceAll(/,\n\s*/g, ', ')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('//'));
    for (const statement of statements) {
      if (this.#poke(statement) || this.#get(statement) || this.#change(statement)) continue;
      if (CHANGES.test(statement)) break;
    }
    this.#end();
    return this.#cases;
  }

  #end(): void {
    if (this.#pokes.length === 0) return;
    const name = `${this.#name} ${this.#cases.length + 1}`;
    this.#cases.push({ name, objects: this.#objects, pokes: this.#pokes });
    this.#pokes = [];
  }

  #poke(statement: string): boolean {
    const [match, namespace, name, protocol = '', server = '', port, verdict] = POKE.exec(statement) ?? [];
    const to = this.#pods.get(server);
    if (match === undefined || to === undefined) return false;
    this.#pokes.push({
      from: `${namespace}/${name}`,
      to,
      port: Number(port),
      protocol: protocol.toUpperCase() as Poke['protocol'],
      isAllowed: verdict === 'true',
    });
    return true;
  }

  #get(statement: string): boolean {
    const [pod, variable = '', namespace, name] = GET_POD.exec(statement) ?? [];
    if (pod !== undefined) this.#pods.set(variable, `${namespace}/${name}`);
    const [found, policy] = GET_POLICY.exec(statement) ?? [];
    if (found !== undefined) {
      const object = this.#objects.find(({ metadata }) => metadata.name === policy);
      this.#policy = structuredClone(object) as Policy;
    }
    return pod !== undefined || found !== undefined;
  }

  #change(statement: string): boolean {
    const policy = this.#policy;
    if (policy === undefined) return false;
    if (/^mutate :?= cnp\.DeepCopy\(\)$/.test(statement)) return true;
    if (statement.startsWith('kubernetes.PatchClusterNetworkPolicy(t, s.Client, cnp, mutate,')) {
      this.#end();
      this.#objects = this.#objects.map((each) =>
        each.metadata.name === policy.metadata.name ? policy : each,
      );
      this.#policy = structuredClone(policy);
      return true;
    }
    const [priority, number] = PRIORITY.exec(statement) ?? [];
    if (priority !== undefined) policy.spec.priority = Number(number);
    return priority !== undefined || this.#changeRule(statement, policy);
  }

  #changeRule(statement: string, policy: Policy): boolean {
    const rules = (direction = '') => policy.spec[direction.toLowerCase() as 'ingress' | 'egress'] ?? [];
    const [kept, variable = '', list, index] = KEEP_RULE.exec(statement) ?? [];
    if (kept !== undefined) this.#kept.set(variable, structuredClone(rules(list)[Number(index)]) as Rule);
    const [moved, to, at, from, source] = MOVE_RULE.exec(statement) ?? [];
    if (moved !== undefined) rules(to)[Number(at)] = rules(from)[Number(source)] as Rule;
    const [put, into, place, name = ''] = PUT_RULE.exec(statement) ?? [];
    const rule = this.#kept.get(name);
    if (put !== undefined && rule !== undefined) rules(into)[Number(place)] = rule;
    const [passed, way, position] = PASS.exec(statement) ?? [];
    if (passed !== undefined) (rules(way)[Number(position)] as Rule).action = 'Pass';
    return [kept, moved, rule && put, passed].some((each) => each !== undefined);
  }
}
