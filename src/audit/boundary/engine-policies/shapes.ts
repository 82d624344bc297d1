/** Shapes of engines' own policies that the API server stores, and that the engine refuses or reads as something else. */
import type { KubeObject } from '../../../api/meta.ts';
import type { Check } from '../../check.ts';
import type { AuditContext } from '../../context.ts';
import type { Report } from '../../finding.ts';
import { listOf, type Raw, recordOf, textOf, textsOf } from '../../../policy/semantics/raw.ts';
import { parseCalicoSelector } from '../../../engines/calico/parse-selector.ts';
import { policyKinds } from '../../../engines/layers/engine-kinds.ts';

type Shape = Pick<Report, 'field' | 'message' | 'severity'>;

/** Most ports that Cilium takes in an entry of `toPorts`. */
const MAX_CILIUM_PORTS = 40;

/** Kinds of peers, of which a rule of Cilium takes one at most; FQDNs and Services are for egress. */
const CILIUM_PEERS = ['Endpoints', 'CIDR', 'CIDRSet', 'Entities', 'Groups', 'FQDNs', 'Services', 'Nodes'];

interface CiliumRule {
  readonly rule: Raw;
  readonly field: string;
  readonly prefix: 'from' | 'to';
}

function ciliumRules(spec: Raw, path: string): CiliumRule[] {
  return ['ingress', 'ingressDeny', 'egress', 'egressDeny'].flatMap((section) =>
    listOf(spec[section]).map((each, index) => ({
      rule: recordOf(each),
      field: `${path}.${section}[${index}]`,
      prefix: section.startsWith('ingress') ? 'from' : 'to',
    })),
  );
}

function ciliumRuleShapes({ rule, field, prefix }: CiliumRule): Shape[] {
  const kinds = CILIUM_PEERS.map((name) => `${prefix}${name}`).filter(
    (name) => listOf(rule[name]).length > 0,
  );
  const lists = listOf(rule['toPorts']).map(recordOf);
  const shapes: Shape[] = [];
  if (kinds.length > 1) {
    const message = `Cilium refuses the policy: a rule has peers of one kind, and this one has ${kinds.join(' and ')}`;
    shapes.push({ field, severity: 'high', message });
  }
  if (lists.some(({ ports }) => listOf(ports).length > MAX_CILIUM_PORTS)) {
    const message = `Cilium refuses the policy: one list has more than ${MAX_CILIUM_PORTS} ports`;
    shapes.push({ field: `${field}.toPorts`, severity: 'high', message });
  }
  return shapes;
}

function ciliumSpecShapes(spec: Raw, path: string): Shape[] {
  const isFor = (name: string) => listOf(spec[name]).length > 0;
  const rules = ciliumRules(spec, path);
  if (rules.length === 0) {
    return [{ field: path, severity: 'high', message: 'Cilium refuses the policy: it has no rule' }];
  }
  const denials = (['ingress', 'egress'] as const).flatMap((direction): Shape[] => {
    const isAlone = isFor(`${direction}Deny`) && !isFor(direction);
    if (!isAlone || recordOf(spec['enableDefaultDeny'])[direction] === false) return [];
    const message = `rules that deny stand alone, and isolate the pods for ${direction}: Cilium denies everything else as well`;
    return [{ field: `${path}.${direction}Deny`, message }];
  });
  return [...rules.flatMap(ciliumRuleShapes), ...denials];
}

/** Cilium writes its verdict about a policy into the status. */
function ciliumShapes(object: KubeObject): Shape[] {
  const { spec, specs, status } = object as KubeObject & Raw;
  const all = [
    ...(spec === undefined ? [] : [[recordOf(spec), 'spec'] as const]),
    ...listOf(specs).map((each, index) => [recordOf(each), `specs[${index}]`] as const),
  ];
  const refused = listOf(recordOf(status)['conditions'])
    .map(recordOf)
    .find(({ type, status: is }) => type === 'Valid' && is === 'False');
  return [
    ...(refused === undefined
      ? []
      : [
          {
            field: 'status',
            severity: 'high' as const,
            message: `Cilium does not enforce the policy: ${textOf(refused['message'])}`,
          },
        ]),
    ...all.flatMap(([each, path]) => ciliumSpecShapes(each, path)),
  ];
}

/** The texts of selectors in a value, by their path. */
function selectorsIn(value: unknown, path: string): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((each, index) => selectorsIn(each, `${path}[${index}]`));
  return Object.entries(recordOf(value)).flatMap(([key, each]): [string, string][] =>
    /selector$/i.test(key) && typeof each === 'string'
      ? [[`${path}.${key}`, each]]
      : selectorsIn(each, `${path}.${key}`),
  );
}

function calicoShapes(object: KubeObject): Shape[] {
  const spec = recordOf((object as KubeObject & Raw)['spec']);
  return selectorsIn(spec, 'spec').flatMap(([field, text]): Shape[] =>
    parseCalicoSelector(text) === undefined
      ? [
          {
            field,
            severity: 'high',
            message: `Calico can not read the selector ${text}, and does not enforce the policy`,
          },
        ]
      : [],
  );
}

function clusterPolicyShapes(object: KubeObject, context: AuditContext): Shape[] {
  const spec = recordOf((object as KubeObject & Raw)['spec']);
  const others = context.snapshot.objects('ClusterNetworkPolicy').filter((other) => {
    const own = recordOf((other as KubeObject & Raw)['spec']);
    return other !== object && own['tier'] === spec['tier'] && own['priority'] === spec['priority'];
  });
  const names = others.map(({ metadata }) => metadata.name);
  const denied = listOf(spec['egress']).flatMap((each, index): Shape[] => {
    const rule = recordOf(each);
    const hasNames = listOf(rule['to']).some((peer) => recordOf(peer)['domainNames'] !== undefined);
    if (!hasNames || rule['action'] === 'Accept') return [];
    return [
      {
        field: `spec.egress[${index}]`,
        severity: 'high',
        message: 'names of hosts can only be accepted: engines ignore this rule, or the policy',
      },
    ];
  });
  return [
    ...denied,
    ...(names.length === 0 || object.kind !== 'ClusterNetworkPolicy'
      ? []
      : [
          {
            field: 'spec.priority',
            severity: 'low' as const,
            message: `${names.join(', ')} has the same priority: which of their rules wins is not defined`,
          },
        ]),
  ];
}

/**
 * Principals in a form that no identity has. Istio compares them with `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, and puts
 * `spiffe://` before them itself.
 */
function principalShapes(rules: unknown): Shape[] {
  return listOf(rules).flatMap((rule, index) =>
    listOf(recordOf(rule)['from']).flatMap((from, place) => {
      const source = recordOf(recordOf(from)['source']);
      return ['principals', 'notPrincipals'].flatMap((list): Shape[] => {
        const wrong = textsOf(source[list]).filter((text) => /^(spiffe:\/\/|ns\/)/.test(text));
        if (wrong.length === 0) return [];
        const field = `spec.rules[${index}].from[${place}].source.${list}`;
        return [
          {
            field,
            message: `${wrong.join(', ')} is the identity of nobody: write TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`,
          },
        ];
      });
    }),
  );
}

/** Rules that mean everyone or nobody, although they seem to name sources, and policies without effect. */
function istioShapes({ metadata, ...rest }: KubeObject, { snapshot }: AuditContext): Shape[] {
  const { action = 'ALLOW', rules } = recordOf((rest as Raw)['spec']);
  // A profile that asks for a dry run has one.
  const isDryRun =
    metadata.annotations?.['istio.io/dry-run'] === 'true' && snapshot.ownerOf({ metadata }) === undefined;
  const wide = listOf(rules).flatMap((each, index): Shape[] => {
    const { from } = recordOf(each);
    const sources = listOf(from).map((one) => recordOf(recordOf(one)['source']));
    const field = `spec.rules[${index}].from`;
    if (action !== 'ALLOW' || from === undefined) return [];
    if (sources.length === 0)
      return [{ field, severity: 'high', message: 'an empty list of sources is everyone' }];
    const isEmpty = sources.some((source) =>
      Object.values(source).every((list) => textsOf(list).length === 0),
    );
    return isEmpty
      ? [
          {
            field,
            severity: 'high',
            message:
              'a source without any field is everyone; an older definition of the kind drops fields that it does not know',
          },
        ]
      : [];
  });
  const isIdle = ['DENY', 'CUSTOM'].includes(textOf(action)) && listOf(rules).length === 0;
  return [
    ...wide,
    ...principalShapes(rules),
    ...(isIdle
      ? [
          {
            field: 'spec.rules',
            message: `with the action ${textOf(action)} and without rules, the policy has no effect`,
          },
        ]
      : []),
    ...(isDryRun
      ? [
          {
            field: 'metadata.annotations[istio.io/dry-run]',
            message: 'the annotation makes Istio enforce nothing of this policy',
          },
        ]
      : []),
  ];
}

function shapeCheck(
  { id, name, kinds }: { readonly id: string; readonly name: string; readonly kinds: Check['needs'] },
  shapesOf: (object: KubeObject, context: AuditContext) => Shape[],
): Check {
  return {
    id,
    title: `Every ${name} is enforced, and as it reads`,
    severity: 'medium',
    category: 'Boundary',
    controls: ['CIS 5.3.1'],
    why: 'The API server checks the schema alone. A policy that its engine refuses, or reads in another way, leaves open what it seems to deny, or cuts what it seems to allow.',
    remedy:
      'Write the policy in a shape that the engine takes, and look at its status or the logs of its agent.',
    needs: kinds,
    run: (context, report) => {
      for (const kind of kinds) {
        for (const object of context.snapshot.objects(kind)) {
          if (!context.audits(object)) continue;
          const { namespace, name: own } = object.metadata;
          const reference = { kind, ...(namespace !== undefined && { namespace }), name: own };
          for (const shape of shapesOf(object, context)) report({ object: reference, ...shape });
        }
      }
    },
  };
}

export const ENGINE_SHAPES: readonly Check[] = [
  shapeCheck(
    { id: 'cilium-policy-shape', name: 'Cilium policy', kinds: policyKinds('Cilium') },
    ciliumShapes,
  ),
  shapeCheck(
    { id: 'calico-policy-shape', name: 'Calico policy', kinds: policyKinds('Calico') },
    calicoShapes,
  ),
  shapeCheck(
    { id: 'cluster-policy-shape', name: 'ClusterNetworkPolicy', kinds: policyKinds('ClusterNetworkPolicy') },
    clusterPolicyShapes,
  ),
  shapeCheck(
    { id: 'istio-policy-shape', name: 'AuthorizationPolicy', kinds: ['AuthorizationPolicy'] },
    istioShapes,
  ),
];
