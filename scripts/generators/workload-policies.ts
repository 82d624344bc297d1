/** Generates the admission policies of config/workloads as JSON, by which the plugin judges manifests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { AdmissionPolicy } from '../../src/manifests/admission-policy.ts';

export const WORKLOAD_POLICIES = 'src/cli/generated/workload-policies.json';
const DIRECTORY = 'config/workloads';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Partial<AdmissionPolicy> & Pick<AdmissionPolicy, 'validations'>;
}

/** The policies of the kustomization, in its order, with the parts that judge a request. */
export function workloadPolicies(root: string): string {
  const read = (file: string) => readFileSync(join(root, DIRECTORY, file), 'utf8');
  const { resources } = parse(read('kustomization.yaml')) as { readonly resources: readonly string[] };
  const policies = resources
    .flatMap((file) => parseAllDocuments(read(file)).map((document) => document.toJS() as Manifest))
    .filter(({ kind }) => kind === 'ValidatingAdmissionPolicy')
    .map(({ metadata, spec: { matchConditions = [], variables = [], validations } }): AdmissionPolicy => {
      return { name: metadata.name, matchConditions, variables, validations };
    });
  return `${JSON.stringify(policies, null, 2)}\n`;
}
