/** The bill of materials and the licences beside each bundle, and the sources of the image. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';

const root = join(import.meta.dirname, '../../..');
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { version: string; integrity: string; license: string }>;
};

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes: readonly { readonly alg: string; readonly content: string }[];
}

interface Bill {
  readonly metadata: { readonly component: { readonly name: string; readonly 'bom-ref': string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** The lockfile's entries for a component, one for each folder in which it is installed. */
const lockedAs = ({ name, version }: Component) =>
  Object.entries(packages)
    .filter(([folder, entry]) => folder.endsWith(`node_modules/${name}`) && entry.version === version)
    .map(([, entry]) => entry);

const PROGRAMS: readonly (readonly [
  program: string,
  flag: string,
  file: string,
  holds: string,
  not: string,
])[] = [
  ['segmentation-operator', '--outfile', 'operator.mjs', 'winston', '@dagrejs/dagre'],
  ['kubectl-segmentation', '--plugin', 'kubectl-segmentation', '@dagrejs/dagre', 'winston'],
];

for (const [program, flag, file, holds, not] of PROGRAMS) {
  describe(`beside the bundle of ${program}`, () => {
    let directory: string;
    let text: string;
    let bill: Bill;
    let licences: string;

    before(() => {
      directory = mkdtempSync(join(tmpdir(), 'bill-'));
      const args = [join(root, 'scripts/build.ts'), flag, join(directory, file)];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      text = readFileSync(join(directory, `${file.replace('.mjs', '')}.cdx.json`), 'utf8');
      bill = JSON.parse(text) as Bill;
      licences = readFileSync(join(directory, 'THIRD_PARTY_LICENSES'), 'utf8');
    });
    after(() => rmSync(directory, { recursive: true }));

    it('is a bill of materials that the validator of CycloneDX accepts', async () => {
      const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5);
      assert.equal(await validator.validate(text), null);
      const broken = text.replace('"type": "library"', '"type": "librari"');
      assert.notEqual(await validator.validate(broken), null, 'the validator accepts anything');
    });

    it('the bill of materials has the components of the lockfile, with their digests', () => {
      assert.ok(bill.components.length > 3);
      for (const component of bill.components) {
        const entries = lockedAs(component);
        const digests = component.hashes.map(
          ({ content }) => `sha512-${Buffer.from(content, 'hex').toString('base64')}`,
        );
        assert.ok(
          entries.some(({ integrity }) => digests.includes(integrity)),
          `${component.purl} is not in the lockfile`,
        );
      }
    });

    it('the bill of materials names the program and its packages, and no others', () => {
      assert.equal(bill.metadata.component.name, program);
      const names = new Set(bill.components.map(({ name }) => name));
      assert.deepEqual([names.has(holds), names.has(not), names.has('mocha')], [true, false, false]);
    });

    it('the bill of materials refers only to its own components', () => {
      const refs = new Set([
        bill.metadata.component['bom-ref'],
        ...bill.components.map((component) => (component as unknown as { 'bom-ref': string })['bom-ref']),
      ]);
      for (const { ref, dependsOn } of bill.dependencies) {
        for (const each of [ref, ...dependsOn]) assert.ok(refs.has(each), each);
      }
    });

    it('is the full licence of each component', () => {
      const sections = new Map(
        licences
          .split(/^={80}$/m)
          .slice(1)
          .map((section) => [section.trim().split('\n')[0] ?? '', section]),
      );
      for (const component of bill.components) {
        const section = sections.get(`${component.name} ${component.version}`) ?? '';
        assert.ok(section.includes(`In: `) && section.includes(program), `${component.purl} is not told of`);
        const declared = /^Licence: (.*)$/m.exec(section)?.[1];
        assert.ok(
          lockedAs(component).some(({ license }) => license === declared),
          `${component.purl}: ${declared}`,
        );
        assert.ok(section.length > 300, `${component.purl} has no text of a licence`);
      }
    });
  });
}

describe('the image', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  let context: string;

  before(() => {
    context = mkdtempSync(join(tmpdir(), 'context-'));
  });
  after(() => rmSync(context, { recursive: true }));

  it('can be built from the build context, by the command of the Dockerfile', () => {
    const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
    assert.ok(ignored.includes('*'));
    for (const [, paths = ''] of dockerfile.matchAll(/^COPY (?!--from)(.*)$/gm)) {
      const sources = paths.split(' ').slice(0, -1);
      assert.notEqual(sources.length, 0);
      for (const source of sources.map((each) => each.replace(/\/$/, ''))) {
        assert.ok(ignored.includes(`!${source}`), `.dockerignore leaves out ${source}`);
        cpSync(join(root, source), join(context, source), { recursive: true });
      }
    }
    symlinkSync(join(root, 'node_modules'), join(context, 'node_modules'));
    const [, command = ''] = /^RUN node (scripts\/build\.ts .*)$/m.exec(dockerfile) ?? [];
    const { status, stderr } = spawnSync(process.execPath, command.split(' '), {
      cwd: context,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.deepEqual(readdirSync(join(context, 'dist')).sort(), [
      'THIRD_PARTY_LICENSES',
      'operator-audit.mjs',
      'operator.cdx.json',
      'operator.mjs',
      'operator.mjs.LEGAL.txt',
    ]);
  });

  it('starts Node with known options, and with global.gc', () => {
    const [, entry = '[]'] = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile) ?? [];
    const flags = (JSON.parse(entry) as string[]).slice(1, -1);
    const args = [...flags, '--print', 'typeof gc'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'function\n', stderr: '' });
  });

  it('takes both base images as arguments', () => {
    const bases = [...dockerfile.matchAll(/^FROM (?:--platform=\S+ )?(\S+)/gm)].map(([, base]) => base);
    assert.deepEqual(bases, ['${BUILDER_IMAGE}', '${RUNTIME_IMAGE}']);
  });
});
