import type { KubeObject } from '../../../api/meta.ts';
import { listOf, type Raw, recordOf, textOf, textsOf } from '../../../policy/semantics/raw.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';

interface NamesOfRule {
  readonly field: string;
  readonly names: readonly string[];
}

type NamedKind =
  | 'CiliumNetworkPolicy'
  | 'CiliumClusterwideNetworkPolicy'
  | 'FQDNNetworkPolicy'
  | 'ClusterNetworkPolicy'
  | 'CalicoNetworkPolicy'
  | 'GlobalNetworkPolicy';

/** The names of hosts that rules allow, by kind. */
const READERS: Readonly<Record<NamedKind, (rule: Raw) => readonly string[]>> = {
  CiliumNetworkPolicy: ciliumNames,
  CiliumClusterwideNetworkPolicy: ciliumNames,
  FQDNNetworkPolicy: (rule) =>
    listOf(rule['matches']).map((each) => textOf(recordOf(each)['pattern'] ?? recordOf(each)['name'])),
  ClusterNetworkPolicy: (rule) =>
    rule['action'] === 'Accept'
      ? listOf(rule['to']).flatMap((each) => textsOf(recordOf(each)['domainNames']))
      : [],
  CalicoNetworkPolicy: calicoNames,
  GlobalNetworkPolicy: calicoNames,
};

function ciliumNames(rule: Raw): readonly string[] {
  return listOf(rule['toFQDNs']).map((each) => textOf(recordOf(each)['matchPattern']));
}

function calicoNames(rule: Raw): readonly string[] {
  return rule['action'] === 'Allow' ? textsOf(recordOf(rule['destination'])['domains']) : [];
}

/** True for a pattern of every name, or of every name below a top-level domain. */
function isWide(pattern: string): boolean {
  const labels = pattern.replace(/\.$/, '').split('.');
  return pattern.includes('*') && labels.filter((label) => !/^\*+$/.test(label)).length <= 1;
}

export const namesTooWide: Check = {
  id: 'names-too-wide',
  title: 'No policy of an engine allows all names of hosts, or those of a top-level domain',
  severity: 'medium',
  category: 'Boundary',
  controls: ['CIS 5.3.2', 'NSA/CISA network separation'],
  why: 'Anybody can register a name. A rule for all of them is a rule for every address: data can leave to anywhere.',
  remedy: 'Name the hosts, or the domains of their owners, as api.example.com or *.example.com.',
  needs: Object.keys(READERS) as NamedKind[],
  run: (context, report) => {
    for (const [kind, namesOf] of Object.entries(READERS) as [
      NamedKind,
      (rule: Raw) => readonly string[],
    ][]) {
      for (const object of context.snapshot.objects(kind)) {
        const { metadata } = object;
        if (!context.audits(object) || context.snapshot.ownerOf({ metadata }) !== undefined) continue;
        const { namespace, name } = metadata;
        const reference = { kind, ...(namespace !== undefined && { namespace }), name };
        for (const { field, names } of rulesOf(object, namesOf)) {
          const wide = names.filter(isWide);
          if (wide.length === 0) continue;
          report({
            object: reference,
            field,
            message: `it allows egress to any host with a name like ${shortList(wide)}`,
          });
        }
      }
    }
  },
};

function rulesOf(object: KubeObject, namesOf: (rule: Raw) => readonly string[]): NamesOfRule[] {
  const { spec, specs } = object as KubeObject & Raw;
  const places: (readonly [path: string, spec: unknown])[] = [
    ['spec', spec],
    ...listOf(specs).map((each, index) => [`specs[${index}]`, each] as const),
  ];
  return places.flatMap(([path, each]) =>
    listOf(recordOf(each)['egress']).map((rule, index) => ({
      field: `${path}.egress[${index}]`,
      names: namesOf(recordOf(rule)),
    })),
  );
}
