/** Checks the lockfile without a network: the origin of packages, their licences and install scripts. Pure. */
import { type LockedPackage, type Lockfile, nameOf } from './bundled.ts';

export interface Rules {
  /** SPDX identifiers. */
  readonly licences: ReadonlySet<string>;
  /** Names of the packages that may run a script when they are installed. */
  readonly installScripts: ReadonlySet<string>;
}

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const REGISTRY = 'https://registry.npmjs.org/';
const EXACT = /^\d+\.\d+\.\d+(-[\w.-]+)?$/;

/** One line for each violation; empty if there is none. */
export function lockfileProblems(
  { lockfileVersion, packages }: Lockfile,
  manifest: Manifest,
  rules: Rules,
): string[] {
  const { '': own = {}, ...others } = packages;
  return [
    ...(lockfileVersion === 3 ? [] : [`lockfileVersion is ${lockfileVersion}: only 3 is understood`]),
    ...manifestProblems(own, manifest),
    ...Object.entries(others).flatMap(([folder, entry]) =>
      packageProblems(nameOf(folder), entry, rules).map(
        (problem) => `${folder.replace(/^node_modules\//, '')} ${problem}`,
      ),
    ),
  ];
}

/** package.json has exact versions, and the lockfile the same. */
function manifestProblems(own: LockedPackage, manifest: Manifest): string[] {
  const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
  const locked = { ...own.dependencies, ...own.devDependencies };
  return [
    ...Object.entries(wanted)
      .filter(([, version]) => !EXACT.test(version))
      .map(([name, version]) => `${name} is "${version}" in package.json: write one exact version`),
    ...[...new Set([...Object.keys(wanted), ...Object.keys(locked)])]
      .filter((name) => wanted[name] !== locked[name])
      .map((name) => `${name} differs between package.json and the lockfile: run npm install`),
  ];
}

function packageProblems(name: string, entry: LockedPackage, { licences, installScripts }: Rules): string[] {
  const { version = '', resolved, integrity, license, link, inBundle, hasInstallScript } = entry;
  const problems: string[] = [];
  if (link === true) problems.push('is a link to a folder: only packages of the registry are allowed');
  else if (!EXACT.test(version))
    problems.push(`has the version "${version}": only the registry's are allowed`);
  if (entry.name !== undefined && entry.name !== name) problems.push(`is ${entry.name} under another name`);
  if (resolved !== undefined && !resolved.startsWith(REGISTRY)) {
    problems.push(`comes from ${resolved}: only ${REGISTRY} is allowed`);
  }
  if (inBundle === true) problems.push('is shipped inside another package, without a digest of its own');
  if (!/^sha512-[\w+/]{86}==$/.test(integrity ?? '')) problems.push('has no SHA-512 digest');
  if (!isAllowed(license ?? '', licences)) {
    problems.push(`has the licence "${license ?? 'none'}", which is not on the list of allowed ones`);
  }
  if (hasInstallScript === true && !installScripts.has(name)) {
    problems.push(
      'runs a script when it is installed: allow it in package.json (allowScripts), or do without',
    );
  }
  return problems;
}

/** An SPDX expression of identifiers, AND, OR and parentheses. */
function isAllowed(expression: string, licences: ReadonlySet<string>): boolean {
  const alternatives = expression.replace(/^\((.*)\)$/, '$1').split(' OR ');
  return alternatives.some((each) =>
    each.split(' AND ').every((id) => licences.has(id.replaceAll(/[()]/g, ''))),
  );
}
