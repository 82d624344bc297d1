import schema from '../../api/generated/segmentation-profile.schema.json' with { type: 'json' };
import type { KubeObject } from '../../api/meta.ts';
import { KIND, PLURAL, GROUP, VERSION } from '../../api/names.ts';
import { isRecord } from '../../util/is-record.ts';
import { shortList } from '../../util/list-text.ts';
import { version } from '../../util/version.ts';
import type { Check } from '../check.ts';
import { workloadsOf } from '../context.ts';
import { parseImage } from '../pods/images/reference.ts';
import { containersOf } from '../pod-spec.ts';

type RawCrd = KubeObject & {
  readonly spec?: {
    readonly versions?: readonly {
      readonly name: string;
      readonly served?: boolean;
      readonly schema?: { readonly openAPIV3Schema?: unknown };
    }[];
  };
  readonly status?: { readonly storedVersions?: readonly string[] };
};

/** The paths of all fields in a schema: `spec.ingress[].from[].ipBlock`. */
function fieldPaths(node: unknown, path = ''): string[] {
  if (!isRecord(node)) return [];
  const { properties, items } = node;
  const own = isRecord(properties)
    ? Object.entries(properties).flatMap(([name, child]) => {
        const at = path === '' ? name : `${path}.${name}`;
        return [at, ...fieldPaths(child, at)];
      })
    : [];
  return [...own, ...(items === undefined ? [] : fieldPaths(items, `${path}[]`))];
}

/** The outermost of the missing fields: those within them are missing too. */
function missingFields(known: readonly string[], served: ReadonlySet<string>): string[] {
  const missing = known.filter((path) => !served.has(path));
  return missing.filter(
    (path) => !missing.some((other) => path.startsWith(`${other}.`) || path.startsWith(`${other}[`)),
  );
}

export const crdOutdated: Check = {
  id: 'crd-outdated',
  title: `The definition of ${KIND} has the fields of this version`,
  severity: 'high',
  category: 'Platform',
  controls: [],
  why: 'The API server drops a field that it does not know: a profile then allows or denies something else than its manifest says.',
  remedy: 'Apply the CustomResourceDefinition of this version: kubectl apply --server-side -k config/crd.',
  needs: ['CustomResourceDefinition'],
  run: ({ snapshot }, report) => {
    const name = `${PLURAL}.${GROUP}`;
    const crds = snapshot.objects('CustomResourceDefinition') as readonly RawCrd[];
    const crd = crds.find(({ metadata }) => metadata.name === name);
    if (crd === undefined) return;
    const object = { kind: 'CustomResourceDefinition', name };
    const served = crd.spec?.versions?.filter((each) => each.served !== false) ?? [];
    const own = served.find((each) => each.name === VERSION);
    if (own === undefined) {
      report({
        object,
        field: 'spec.versions',
        message: `it does not serve ${VERSION}, which version ${version} uses`,
      });
      return;
    }
    const paths = new Set(fieldPaths(own.schema?.openAPIV3Schema));
    const missing = missingFields(fieldPaths(schema), paths);
    if (missing.length > 0) {
      report({
        object,
        field: `spec.versions[${VERSION}].schema`,
        message: `it is older than version ${version}, and lacks ${shortList(missing)}`,
      });
    }
    const stored = crd.status?.storedVersions ?? [];
    const lost = stored.filter((each) => !served.some((version) => version.name === each));
    if (lost.length > 0) {
      report({
        object,
        field: 'status.storedVersions',
        severity: 'medium',
        message: `objects may be stored as ${lost.join(', ')}, which is not served`,
        remedy: 'Write every profile once again, then remove the version from status.storedVersions.',
      });
    }
  },
};

/** A tag that is a release, such as `v0.1.0`. */
const RELEASE = /^v?(\d+\.\d+\.\d+)$/;

export const operatorVersion: Check = {
  id: 'operator-version',
  title: 'The operator is of the same version as this program',
  severity: 'low',
  category: 'Platform',
  controls: ['NSA/CISA upgrading'],
  why: 'Another version may compile a profile to other policies than this program shows.',
  remedy: 'Upgrade the operator or the plugin, so that both are of one version.',
  needs: ['Pod'],
  run: ({ snapshot }, report) => {
    const operators = snapshot.pods.filter(
      ({ labels }) =>
        labels['app.kubernetes.io/name'] === 'segmentation-operator' &&
        labels['app.kubernetes.io/component'] === 'controller',
    );
    for (const workload of workloadsOf(operators)) {
      const tags = operators
        .filter((pod) => pod.workload.name === workload.name && pod.namespace === workload.namespace)
        .flatMap(({ spec }) => containersOf(spec))
        .flatMap(({ container }) => parseImage(container.image ?? '').tag ?? []);
      const releases = [...new Set(tags.flatMap((tag) => RELEASE.exec(tag)?.[1] ?? []))];
      const others = releases.filter((each) => each !== version);
      if (others.length === 0) continue;
      report({
        object: workload,
        field: 'image',
        message: `the operator is of version ${others.join(' and ')}, and this program of ${version}`,
      });
    }
  },
};
