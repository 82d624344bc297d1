/** Reads `match` and `exclude` of a rule of Kyverno's older kinds, for pods that are created in a namespace. Pure. */
import { listOf, type Raw, recordOf, selectorOf, textsOf } from '../semantics/raw.ts';
import { matches } from '../semantics/selector.ts';
import { type Answer, allOf, anyOf, type PlacedNamespace } from './evidence.ts';

/** Fields of a filter that are about more than the kind and the namespace of an object. */
const FURTHER = ['name', 'names', 'annotations', 'selector'] as const;
const REQUESTERS = ['subjects', 'roles', 'clusterRoles'] as const;

/** The answer for all pods that are created in the namespace. */
export function isForNewPods({ match, exclude }: Raw, namespace: PlacedNamespace): Answer {
  const excluded = meets(recordOf(exclude), namespace);
  const isLeft: Answer = excluded === 'yes' ? 'no' : excluded === 'no' ? 'yes' : 'unclear';
  return allOf([meets(recordOf(match), namespace), isLeft]);
}

/** A block has filters under `any` or `all`, or is a filter itself. An empty block matches nothing. */
function meets(block: Raw, namespace: PlacedNamespace): Answer {
  const filters = (value: unknown) => listOf(value).map((each) => passes(recordOf(each), namespace));
  const [any, all] = [filters(block['any']), filters(block['all'])];
  const own = block['resources'] === undefined ? [] : [passes(block, namespace)];
  return anyOf([...any, ...(all.length > 0 ? [allOf(all)] : []), ...own]);
}

function passes(filter: Raw, { name, labels }: PlacedNamespace): Answer {
  const resources = recordOf(filter['resources']);
  const { kinds, namespaces, namespaceSelector, operations } = resources;
  const patterns = textsOf(namespaces);
  const verbs = textsOf(operations);
  const isForPods =
    textsOf(kinds).length === 0 || textsOf(kinds).some((kind) => /(?:^|\/)(?:Pod|\*)$/.test(kind));
  const isMatched =
    isForPods &&
    (patterns.length === 0 || patterns.some((pattern) => isLike(pattern, name))) &&
    matches(selectorOf(namespaceSelector), labels) &&
    (verbs.length === 0 || verbs.includes('CREATE'));
  if (!isMatched) return 'no';
  const isNarrower =
    FURTHER.some((field) => resources[field] !== undefined) ||
    REQUESTERS.some((field) => filter[field] !== undefined);
  return isNarrower ? 'unclear' : 'yes';
}

/** True for a name that fits a pattern, in which `*` stands for any text and `?` for one character. */
function isLike(pattern: string, name: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
}
