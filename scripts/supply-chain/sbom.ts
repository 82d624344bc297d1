/** The bill of materials of a bundle, in CycloneDX: that of npm, reduced to the packages in the bundle. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Program } from '../bundle/programs.ts';
import { type Lockfile, nameOf } from './bundled.ts';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly [field: string]: unknown;
}

interface BillOfMaterials {
  readonly metadata: { readonly component: Component; readonly [field: string]: unknown };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  readonly [field: string]: unknown;
}

/**
 * JSON. The same lockfile gives the same text: no time, and no serial number, which would be random.
 *
 * @param folders of the packages, as the lockfile names them
 * @throws Error with npm's words where that fails
 */
export function billOfMaterials(root: string, program: Program, folders: readonly string[]): string {
  const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
  const { status, stdout, stderr, error } = spawnSync('npm', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    shell: process.platform === 'win32',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${stderr}`);
  const whole = JSON.parse(stdout) as BillOfMaterials;

  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
  const held = new Set(folders.map((folder) => `${nameOf(folder)}@${packages[folder]?.version}`));
  const components = whole.components.filter(({ name, version }) => held.has(`${name}@${version}`));
  const listed = new Set(components.map(({ name, version }) => `${name}@${version}`));
  const missing = [...held].filter((each) => !listed.has(each));
  if (missing.length > 0)
    throw new Error(`npm sbom does not list ${missing.join(', ')}, which ${program.name} holds`);
  const refs = new Set(components.map((component) => component['bom-ref']));
  const { serialNumber: _serial, ...rest } = whole;
  const { timestamp: _time, tools: _tools, ...metadata } = whole.metadata;
  const component = {
    ...metadata.component,
    type: 'application',
    name: program.name,
    description: program.description,
  };
  const bill = {
    ...rest,
    metadata: { ...metadata, component },
    components: components.map((each) => ({ ...each, scope: 'required' })),
    dependencies: whole.dependencies
      .filter(({ ref }) => refs.has(ref) || ref === component['bom-ref'])
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) })),
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}
