/** Generates the field reference, docs/api.md, from the CRD's schema. */
import { stringify } from 'yaml';
import { CRD_PATH, demandedFields, NAMED, nodeAt, type SchemaNode, typeNames } from '../crd.ts';
import { PEER_EXAMPLES } from './peer-examples.ts';

/** The types with a section, in the order of reading; other types are described where they are used. */
const SECTIONS: readonly (keyof typeof NAMED)[] = [
  'SegmentationProfileSpec',
  'Baseline',
  'MeshOverlay',
  'Admission',
  'Workloads',
  'ImageLimits',
  'ResourceLimits',
  'ServiceAccountLimits',
  'ExposureLimits',
  'LoadBalancerLimits',
  'PrivilegedLimits',
  'PodSecurity',
  'Rollout',
  'Wave',
  'Gates',
  'WorkloadGate',
  'QueryGate',
  'Guard',
  'ExceptionGrant',
  'IngressRule',
  'EgressRule',
  'NamespaceScope',
  'Connection',
  'Peer',
  'IPBlock',
  'ServiceReference',
  'Port',
  'LabelSelector',
  'LabelSelectorRequirement',
  'SegmentationProfileStatus',
  'Condition',
  'NamespaceCounts',
  'PolicyCounts',
  'Failure',
  'AdmissionFindings',
  'WideningPolicy',
  'WorkloadFindings',
  'GroupFindings',
  'ViolatingObject',
  'PodSecurityStatus',
  'GuardStatus',
  'RestrictedPolicy',
  'RolloutStatus',
  'RevisionInForce',
  'GateReadings',
  'RolloutFailure',
];

/** The text of docs/api.md. Throws if a kind of peer has no example. */
export function referencePage(root: SchemaNode): string {
  const nameOf = typeNames(root);
  const sections = SECTIONS.map((name) => {
    const node = nodeAt(root, NAMED[name]);
    const place = name === 'LabelSelector' ? 'Wherever objects are selected by their labels.' : placeOf(name);
    const fields = Object.entries(node.properties ?? {}).map(([field, child]) =>
      fieldText(field, child, node, nameOf),
    );
    const description = name === 'LabelSelector' ? '`{}` selects all objects.' : node.description;
    const examples = name === 'Peer' ? [peerExamples(node)] : [];
    return [`## ${name}`, `${place} ${description}`, fields.join('\n'), ...refusals(node), ...examples].join(
      '\n\n',
    );
  });
  return `${[
    '# SegmentationProfile',
    `<!-- Generated from ${CRD_PATH} by \`npm run generate\`. Do not edit. -->`,
    `\`segmentation.dev/v1alpha1\`, cluster-scoped, \`kubectl get segp\`. ${root.description}`,
    '`kubectl explain segp.spec.ingress.from` shows the same text in the cluster.',
    ...refusals(root),
    ...sections,
  ].join('\n\n')}\n`;
}

function placeOf(name: keyof typeof NAMED): string {
  const path = NAMED[name]
    .replace('.from[]', '.(from|to)[]')
    .replace(/ingress\[\](?=\.inNamespaces)/, '(ingress|egress)[]')
    .replace(/ingress\[\](?=.)/, '(ingress|egress|connections)[]');
  return `\`${path}\`.`;
}

function fieldText(
  name: string,
  node: SchemaNode,
  parent: SchemaNode,
  nameOf: (node: SchemaNode) => string | undefined,
): string {
  const required = parent.required?.includes(name) || demandedFields(parent).includes(name);
  const facts = [
    typeText(node, nameOf),
    ...(required ? ['required'] : []),
    ...(node.default === undefined ? [] : [`default \`${inlineYaml(node.default)}\``]),
    ...bounds(node),
  ];
  const lines = [`- **\`${name}\`** (${facts.join('; ')})`, ...describe(node.description)];
  return [...lines, ...messages(node).map((message) => `  - ${message}`)].join('\n');
}

/** The description as the end of a list entry, without "Required.", which the facts before it say. */
function describe(description = ''): string[] {
  return [`  ${description.replace(/^Required\. /, '')}`];
}

function typeText(node: SchemaNode, nameOf: (node: SchemaNode) => string | undefined): string {
  if (node['x-kubernetes-int-or-string']) return 'number or string';
  if (node.enum) return node.enum.map((value) => `\`${value}\``).join(' or ');
  if (node.items) return `list of ${typeText(node.items, nameOf)}`;
  if (node.additionalProperties) return 'map of strings to strings';
  const name = nameOf(node);
  if (name !== undefined) return `[${name}](#${name.toLowerCase()})`;
  return node.format === 'date-time' ? 'RFC 3339 time' : (node.type ?? 'any');
}

function bounds(node: SchemaNode): string[] {
  if (node['x-kubernetes-int-or-string']) {
    return [
      `a number from ${node.minimum} to ${node.maximum}`,
      `a string of at most ${node.maxLength} characters that matches \`${node.pattern}\``,
    ];
  }
  const of = node.items ?? node;
  const each = node.items ? 'each ' : '';
  return [
    ...(node['x-kubernetes-list-type'] === 'map'
      ? [`unique by \`${node['x-kubernetes-list-map-keys']?.join('`, `')}\``]
      : []),
    ...(node['x-kubernetes-list-type'] === 'set' ? ['unique'] : []),
    ...(node.maxItems === undefined ? [] : [`at most ${node.maxItems}`]),
    ...(node.maxProperties === undefined ? [] : [`at most ${node.maxProperties}`]),
    ...(of.maxLength === undefined ? [] : [`${each}${lengthText(of)}`]),
    ...(of.minimum === undefined || of.maximum === undefined ? [] : [`${of.minimum} to ${of.maximum}`]),
    ...(of.pattern === undefined ? [] : [`${each}matches \`${of.pattern}\``]),
  ];
}

function lengthText({ minLength = 0, maxLength = 0 }: SchemaNode): string {
  return minLength === 0 ? `at most ${maxLength} characters` : `${minLength} to ${maxLength} characters`;
}

/** The messages of the API server for values that break a rule of the node or of its items. */
function messages(node: SchemaNode): string[] {
  return [node, node.items ?? {}].flatMap((each) =>
    each.properties === undefined
      ? (each['x-kubernetes-validations'] ?? []).map(({ message }) => `Refused otherwise: ${message}.`)
      : [],
  );
}

function refusals(node: SchemaNode): string[] {
  const texts = new Set((node['x-kubernetes-validations'] ?? []).map(({ message }) => `- ${message}`));
  if (texts.size === 0) return [];
  return [`The API server refuses other values with these messages:\n\n${[...texts].join('\n')}`];
}

function peerExamples(peer: SchemaNode): string {
  const kinds = Object.keys(peer.properties ?? {}).map((field) => {
    const examples = PEER_EXAMPLES[field];
    if (examples === undefined)
      throw new Error(`peer-examples.ts has no example for the peer field ${field}`);
    return examples.map(
      ({ allows, peer }) => `In \`to\`, allows ${allows}:\n\n\`\`\`yaml\n${stringify([peer])}\`\`\``,
    );
  });
  return ['### An example of each kind', ...kinds.flat()].join('\n\n');
}

function inlineYaml(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value).replaceAll('"', '').replaceAll(',', ', ');
}
