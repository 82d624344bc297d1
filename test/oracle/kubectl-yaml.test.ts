/**
 * The reading of YAML and JSON against the libraries of kubectl itself (test/env/tools/manifests): both read the same
 * values. A text that kubectl refuses is refused; the few that only this program refuses are of a known kind.
 */
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeText, readDocuments } from '../../src/manifests/documents.ts';
import { YamlError } from '../../src/manifests/yaml.ts';
import { goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';
import { brokenStreams, ODD_SCALARS, yamlStreams } from '../manifests/yaml-texts.ts';

const suite = skippedWithoutGo === '' ? describe : describe.skip;
/** More texts on demand: docs/development.md. */
const FACTOR = Number(process.env['MANIFEST_RUNS'] ?? 1);
const SEED = Number(process.env['MANIFEST_SEED'] ?? 20_261_129);

interface Answer {
  readonly documents: readonly unknown[];
  readonly error?: string;
}

suite(`the reading of YAML, compared with kubectl's${skippedWithoutGo}`, () => {
  let tool: string;

  before(async function () {
    this.timeout(900_000);
    tool = await goTool({
      name: 'manifests',
      module: 'manifests',
      package: '.',
      title: "kubectl's decoder of manifests",
      usualTime: 'about 20 s',
    });
  });

  function answersTo(texts: readonly string[]): Answer[] {
    const input = texts.map((text) => JSON.stringify(Buffer.from(text).toString('base64'))).join('\n');
    const { stdout, status, stderr } = spawnSync(tool, { input: `${input}\n`, maxBuffer: 2 ** 30 });
    assert.equal(status, 0, stderr.toString());
    return stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer);
  }

  /** Compares all texts; resolves to the number of texts that only this program refuses. */
  function compare(texts: readonly string[]): { readonly read: number; readonly onlyRefusedHere: number } {
    let read = 0;
    let onlyRefusedHere = 0;
    const answers = answersTo(texts);
    for (const [index, text] of texts.entries()) {
      const { documents, error } = answers[index] as Answer;
      let own: unknown[] | undefined;
      try {
        own = readDocuments(decodeText(Buffer.from(text))).map(({ value }) => value);
      } catch (refusal) {
        if (!(refusal instanceof YamlError)) throw refusal;
      }
      if (own === undefined) {
        if (error === undefined) onlyRefusedHere += 1;
        continue;
      }
      const shown = JSON.stringify(text);
      assert.equal(error, undefined, `only kubectl refuses ${shown}`);
      // Through JSON, as -0 has no other text there than 0.
      assert.deepEqual(JSON.parse(JSON.stringify(own)), JSON.parse(JSON.stringify(documents)), shown);
      read += 1;
    }
    return { read, onlyRefusedHere };
  }

  const PLACES: readonly ((scalar: string) => string)[] = [
    (scalar) => `a: ${scalar}`,
    (scalar) => `${scalar}: a`,
    (scalar) => `- ${scalar}`,
    (scalar) => `[${scalar}]`,
    (scalar) => `{a: ${scalar}}`,
    (scalar) => `a: "${scalar}"`,
    ...['!!int', '!!float', '!!str', '!!bool', '!!null', '!!timestamp', '!!binary', '!', '!x'].map(
      (tag) => (scalar: string) => `a: ${tag} ${scalar}`,
    ),
    (scalar) => `a:\n  ${scalar}\n  b`,
    (scalar) => `a: |\n  ${scalar}\n`,
    (scalar) => `a: >\n  ${scalar}\n   x\n  y`,
  ];

  it('agrees on every odd scalar in every place', () => {
    const { read } = compare(ODD_SCALARS.flatMap((scalar) => PLACES.map((place) => place(scalar))));
    assert.ok(read > 1500, `only ${read} texts were read`);
  });

  it('agrees on generated streams', function () {
    this.timeout(120_000 * FACTOR);
    const { read, onlyRefusedHere } = compare(fc.sample(yamlStreams, { numRuns: 5000 * FACTOR, seed: SEED }));
    assert.ok(read > 1000 * FACTOR, `only ${read} texts were read`);
    assert.ok(onlyRefusedHere < read / 20, `${onlyRefusedHere} texts are refused that kubectl reads`);
  });

  it('agrees on generated streams with typing errors', function () {
    this.timeout(120_000 * FACTOR);
    compare(fc.sample(brokenStreams, { numRuns: 5000 * FACTOR, seed: SEED }));
  });
});
