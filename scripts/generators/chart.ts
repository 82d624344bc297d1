/**
 * Generates templates of the Helm chart from config/ and crds/, so that the chart installs the same CRD, roles, fence,
 * admission policies and alerts as kustomize. Also generates the schema of the chart's values, in which `config` has the
 * schema of the operator's configuration file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { configurationShape } from './configuration.ts';
import { CRD_PATH } from './crd.ts';

const CHART = 'charts/segmentation-operator';
/** Names in config/: the operator's namespace, its objects and its ServiceAccount. */
const NAMESPACE = 'segmentation-system';
const NAME = 'segmentation-operator';

const RELEASE_NAMESPACE = '{{ .Release.Namespace }}';
const FULL_NAME = '{{ include "segmentation-operator.fullname" . }}';
const SERVICE_ACCOUNT = '{{ include "segmentation-operator.serviceAccountName" . }}';
const IMAGE = '{{ include "segmentation-operator.image" . | quote }}';
const PULL_POLICY = '{{ .Values.image.pullPolicy }}';
const CANARY = 'segmentation-canary';
const LABELS = '    {{- include "segmentation-operator.labels" . | nindent 4 }}';
const MORE_LABELS = [
  '    {{- with .Values.prometheus.labels }}',
  '    {{- toYaml . | nindent 4 }}',
  '    {{- end }}',
];
/** The address to which alerts link in config/. */
const RUNBOOKS = 'https://segmentation.dev/docs/runbooks.md';
const RELEASE_RUNBOOKS = '{{ .Values.prometheus.runbooks }}';
const PROTECTED = '{{ include "segmentation-operator.protectedNamespaces" . }}';
/** The list as a whole value: without quotes, YAML would read a sequence. */
const QUOTED_PROTECTED = '{{ include "segmentation-operator.protectedNamespaces" . | quote }}';

interface Manifest {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Templates of components that a value switches on: the name, the value, and the directory. */
const COMPONENTS: readonly (readonly [name: string, value: string, directory: string])[] = [
  ['fence', 'fence.enabled', 'config/fence'],
  ['admission', 'admission.enabled', 'config/admission'],
  ['service-accounts', 'serviceAccounts.enabled', 'config/service-accounts'],
  ['workloads', 'workloads.enabled', 'config/workloads'],
  ['pod-security', 'podSecurity.enabled', 'config/pod-security'],
  ['rollout', 'rollout.enabled', 'config/rollout'],
  ['audit', 'audit.enabled', 'config/audit'],
  ['engines-detect', 'engines.detect', 'config/engines/detect'],
  ['engines-cilium', 'engines.cilium', 'config/engines/cilium'],
  ['engines-calico', 'engines.calico', 'config/engines/calico'],
  ['engines-gke', 'engines.gke', 'config/engines/gke'],
  ['engines-calico-guard', 'engines.calicoGuard', 'config/engines/calico-guard'],
  ['engines-istio', 'engines.istio', 'config/engines/istio'],
  ['engines-cluster-network-policy', 'engines.clusterNetworkPolicy', 'config/engines/cluster-network-policy'],
  ['engines-istio-policies', 'engines.istioPolicies', 'config/engines/istio-policies'],
];

/**
 * The path, from the root of the repository, and text of each generated template. Throws if config/ is not as expected.
 *
 * @param exceptionCRD the text of the CRD of SegmentationException, which is generated itself
 */
export function chartTemplates(
  root: string,
  exceptionCRD: string,
): (readonly [path: string, text: string])[] {
  const template = (name: string, source: string, body: string) =>
    [
      `${CHART}/templates/${name}`,
      `{{/* Generated from ${source} by \`npm run generate\`. Do not edit. */}}\n${body}`,
    ] as const;
  return [
    template('crd.yaml', 'crds/', crd(readFileSync(join(root, CRD_PATH), 'utf8'), 'crd')),
    template('rbac.yaml', 'config/rbac', documents(manifests(root, 'config/rbac').filter(isNoAccount))),
    ...COMPONENTS.map(([name, value, directory]) =>
      template(
        `${name}.yaml`,
        directory,
        `{{- if .Values.${value} }}\n${documents(manifests(root, directory))}{{- end }}\n`,
      ),
    ),
    template('exceptions.yaml', 'config/exceptions', exceptions(root, exceptionCRD)),
    template('canary.yaml', 'config/canary', canary(root)),
    template(
      'prometheus.yaml',
      'config/prometheus',
      `{{- if .Values.prometheus.enabled }}\n${documents(manifests(root, 'config/prometheus'), MORE_LABELS)}{{- end }}\n`,
    ),
  ];
}

/** The schema of the chart's values: the hand-written one, with the schema of the configuration file for `config`. */
export function valuesSchema(root: string): readonly [path: string, text: string] {
  const source = readFileSync(join(root, 'scripts/generators/values.schema.json'), 'utf8');
  const { properties, ...schema } = JSON.parse(source) as { readonly properties: object };
  const description =
    "The operator's configuration file, without apiVersion, kind, and what is set by the chart.";
  const values = { ...properties, config: { ...configurationShape(), description } };
  // Helm's regular expressions know no lookahead: such a pattern is taken without it, and lets a little more pass.
  const withoutLookahead = (key: string, value: unknown) =>
    key === 'pattern' && typeof value === 'string' ? value.replaceAll(/\(\?[=!][^)]*\)/g, '') : value;
  const text = JSON.stringify({ ...schema, properties: values }, withoutLookahead, 2);
  return [`${CHART}/values.schema.json`, `${text}\n`];
}

/** Exceptions. The policy that fills in the requester is there where the API server serves its kind. */
function exceptions(root: string, crdText: string): string {
  const filling = documents(manifests(root, 'config/exceptions/fill-in'));
  return [
    '{{- if .Values.exceptions.enabled }}\n',
    crd(crdText, 'exceptions'),
    `---\n${documents(manifests(root, 'config/exceptions'))}`,
    '{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}\n',
    `---\n${filling}{{- end }}\n{{- end }}\n`,
  ].join('');
}

/** The canary. One of its Deployments is a DaemonSet if every node is to be proven. */
function canary(root: string): string {
  const body = manifests(root, 'config/canary').map((manifest) => {
    const text = withPullSecrets(manifestTemplate(manifest, []));
    if (manifest.kind === 'SegmentationProfile')
      return `---\n${installedAfterCrd(text, `${String(manifest['apiVersion'])}/${manifest.kind}`)}`;
    if (manifest.kind === 'Deployment' && manifest.metadata.namespace === CANARY)
      return `---\n{{- if .Values.canary.everyNode }}\n${withPullSecrets(manifestTemplate(onEveryNode(manifest), []))}{{- else }}\n${text}{{- end }}\n`;
    return `---\n${text}`;
  });
  const monitoring = documents(manifests(root, 'config/canary/prometheus'), MORE_LABELS);
  const scraped = `{{- if .Values.prometheus.enabled }}\n---\n${monitoring}{{- end }}\n`;
  return `{{- if .Values.canary.enabled }}\n${body.join('')}${scraped}{{- end }}\n`;
}

/**
 * The template of an object whose CRD is part of the chart: Helm refuses a release with a kind that the API server does not
 * have yet. So the first installation creates it by a hook, after everything else. The next upgrade takes it into the release,
 * which Helm does only with these annotations.
 */
function installedAfterCrd(text: string, kind: string): string {
  const hook = [
    `  {{- if and .Values.crds.enabled (not (.Capabilities.APIVersions.Has "${kind}")) }}`,
    '  annotations:',
    '    helm.sh/hook: post-install,post-upgrade',
    '    meta.helm.sh/release-name: {{ .Release.Name }}',
    '    meta.helm.sh/release-namespace: {{ .Release.Namespace }}',
    '  {{- end }}',
  ];
  return text.replace(/^metadata:\n/m, (line) => `${line}${hook.map((each) => `${each}\n`).join('')}`);
}

/** The template of a workload, with the names of the Secrets that its image needs. */
function withPullSecrets(text: string): string {
  const lines = [
    '{{- with .Values.imagePullSecrets }}',
    'imagePullSecrets:',
    '  {{- toYaml . | nindent 8 }}',
    '{{- end }}',
  ];
  return text.replace(/^( +)automountServiceAccountToken: true\n/m, (line, indent: string) =>
    [line, ...lines.map((each) => `${indent}${each}\n`)].join(''),
  );
}

/** The DaemonSet of config/canary/every-node. */
function onEveryNode({ apiVersion, metadata, spec }: Manifest): Manifest {
  const {
    replicas: _replicas,
    template,
    ...rest
  } = spec as {
    readonly replicas: number;
    readonly template: { readonly spec: Readonly<Record<string, unknown>> };
  };
  const { topologySpreadConstraints: _constraints, ...podSpec } = template.spec;
  return {
    apiVersion,
    kind: 'DaemonSet',
    metadata,
    spec: { ...rest, template: { ...template, spec: podSpec } },
  };
}

/** The text of the CRD, with descriptions and comments, the chart's labels, and the annotation that keeps the CRD. */
function crd(text: string, component: string): string {
  const start = text.indexOf('apiVersion:');
  const labels = text.indexOf('  labels:\n');
  const end = text.indexOf('spec:\n', labels);
  if (start < 0 || labels < 0 || end < 0)
    throw new Error(`the CRD of component ${component} has no labels between metadata and spec`);
  const metadata = [
    '  labels:',
    '    {{- include "segmentation-operator.labels" . | nindent 4 }}',
    `    app.kubernetes.io/component: ${component}`,
    '  {{- if .Values.crds.keep }}',
    '  annotations:',
    '    helm.sh/resource-policy: keep',
    '  {{- end }}',
    '',
  ].join('\n');
  return `{{- if .Values.crds.enabled }}\n${literal(text.slice(start, labels))}${metadata}${literal(text.slice(end))}{{- end }}\n`;
}

/** @param labels lines for the labels of each, beside those that every object has */
function documents(all: readonly Manifest[], labels: readonly string[] = []): string {
  return all.map((each) => manifestTemplate(each, labels)).join('---\n');
}

/** The objects of the files that a kustomization names; not of other directories. */
function manifests(root: string, directory: string): Manifest[] {
  const read = (file: string) => readFileSync(join(root, directory, file), 'utf8');
  const { resources } = parse(read('kustomization.yaml')) as { readonly resources: readonly string[] };
  const files = resources.filter((resource) => resource.endsWith('.yaml'));
  return files.flatMap((file) =>
    parseAllDocuments(read(file)).map((document) => document.toJS() as Manifest),
  );
}

/** False for the ServiceAccount: the chart has a template for it, as values can name an existing one. */
function isNoAccount({ kind }: Manifest): boolean {
  return kind !== 'ServiceAccount';
}

/**
 * Names and namespaces become those of the release; everything else stays literal. Helm fills in only whole scalars, or
 * parts of them, so that the template is YAML too.
 */
function manifestTemplate({ metadata, ...manifest }: Manifest, moreLabels: readonly string[]): string {
  const { name, namespace, labels = {} } = metadata;
  const { [LABEL_NAME]: _, ...ownLabels } = labels;
  const values: string[] = [];
  /** The placeholder for a value that Helm fills in, until the YAML is written. */
  const fill = (text: string) => `__${values.push(text) - 1}__`;
  const named = (text: string) => (text.startsWith(NAME) ? fill(FULL_NAME) + text.slice(NAME.length) : text);

  const adapted: Record<string, unknown> = {
    ...manifest,
    ...(isRecord(manifest['roleRef']) && {
      roleRef: { ...manifest['roleRef'], name: named(String(manifest['roleRef']['name'])) },
    }),
    ...(Array.isArray(manifest['subjects']) && {
      subjects: manifest['subjects'].map((subject: object) => ({
        ...subject,
        ...(isOperator(subject) && { name: fill(SERVICE_ACCOUNT), namespace: fill(RELEASE_NAMESPACE) }),
      })),
    }),
    ...(isRecord(manifest['spec']) && { spec: adaptedSpec(manifest['spec'], fill, named) }),
  };
  const { apiVersion, kind, ...rest } = adapted;
  const write = (value: object) =>
    literal(stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })).replaceAll(
      /__(\d+)__/g,
      (_match, index: string) => values[Number(index)] ?? '',
    );
  const head = write({
    apiVersion,
    kind,
    metadata: {
      name: named(name),
      ...(namespace !== undefined && {
        namespace: namespace === NAMESPACE ? fill(RELEASE_NAMESPACE) : namespace,
      }),
      labels: { ...ownLabels, __labels__: '' },
    },
  }).replace(/^ {4}__labels__: ""$/m, () => [LABELS, ...moreLabels].join('\n'));
  return Object.keys(rest).length === 0 ? head : head + write(rest);
}

/** False for the ServiceAccounts of other parts, which have their own names and namespaces. */
function isOperator(subject: object): boolean {
  return 'name' in subject && subject.name === NAME;
}

const LABEL_NAME = 'app.kubernetes.io/name';

function adaptedSpec(
  spec: Readonly<Record<string, unknown>>,
  fill: (text: string) => string,
  named: (text: string) => string,
): Readonly<Record<string, unknown>> {
  const user = `'system:serviceaccount:${NAMESPACE}:${NAME}'`;
  const images: Readonly<Record<string, string>> = { image: IMAGE, imagePullPolicy: PULL_POLICY };
  const adapt = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(adapt);
    if (isRecord(value))
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => {
          const image = images[key];
          return [key, image !== undefined && typeof each === 'string' ? fill(image) : adapt(each)];
        }),
      );
    if (typeof value !== 'string') return value;
    return value
      .replace(`${RUNBOOKS}#`, () => `${fill(RELEASE_RUNBOOKS)}#`)
      .replace(user, `'system:serviceaccount:${fill(RELEASE_NAMESPACE)}:${fill(SERVICE_ACCOUNT)}'`)
      .replace(new RegExp(`\\[[^\\]]*'${NAMESPACE}'[^\\]]*\\]`), (list) =>
        fill(list === value ? QUOTED_PROTECTED : PROTECTED),
      );
  };
  const adapted = adapt(spec) as Readonly<Record<string, unknown>>;
  const { policyName } = spec;
  return { ...adapted, ...(typeof policyName === 'string' && { policyName: named(policyName) }) };
}

/** The text with its braces escaped, so that Helm takes it literally. */
function literal(text: string): string {
  return text.replaceAll('{{', '{{ "{{" }}');
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
