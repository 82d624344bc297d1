/** YAML that the plugin prints, as kubectl reads it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toYaml } from '../../../src/cli/shell/output.ts';
import { readDocuments } from '../../../src/manifests/documents.ts';
import { runs } from '../../policy/fixture.ts';

/** Texts that YAML 1.1, by which kubectl reads, takes for booleans, numbers, times and nulls. */
const OTHER_TYPES = [
  'y',
  'n',
  'yes',
  'No',
  'on',
  'OFF',
  '~',
  'null',
  '0443',
  '1_000',
  '12:30',
  '2001-01-01',
  '.inf',
  '<<',
  '=',
];
const characters = fc.constantFrom(...'yYnNoOfFeEsStTuUlLxXbB_.:-+~<=0123789'.split(''));
const texts = fc.oneof(fc.constantFrom(...OTHER_TYPES), fc.string({ unit: characters, maxLength: 7 }));

describe('YAML of the plugin', () => {
  it('keeps each text, as a key and as a value, also where kubectl would take it for another type', () => {
    fc.assert(
      fc.property(texts, texts, (key, value) => {
        const [document] = readDocuments(
          toYaml({ [`k${key}`]: value, list: [value], map: { [key]: value } }),
        );
        assert.deepEqual(document?.value, { [`k${key}`]: value, list: [value], map: { [key]: value } });
      }),
      { numRuns: runs(500) },
    );
  });
});
