/** `convert` over generated profiles: pods that the proof has not seen have the same flows before and after. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { compileView } from '../../../../src/analysis/evaluator.ts';
import type { Pod } from '../../../../src/analysis/cluster.ts';
import { KIND } from '../../../../src/api/names.ts';
import { convertProfile } from '../../../../src/cli/commands/convert/conversion.ts';
import { Proof } from '../../../../src/cli/commands/convert/proof.ts';
import { ObjectSet } from '../../../../src/snapshot/objects.ts';
import { compile } from '../../../../src/policy/compile.ts';
import { admittedProfile, manifestsSnapshot } from '../../snapshot/fixture.ts';
import { runs } from '../../../policy/fixture.ts';

const NAMESPACES = ['alpha', 'beta', 'gamma'] as const;
const PORTS = [80, 81];
const app = fc.constantFrom('red', 'blue');
const podSelector = app.map((each) => ({ matchLabels: { app: each } }));
const peer = fc.oneof(
  fc.record({ namespaces: fc.subarray([...NAMESPACES], { minLength: 1 }) }),
  fc.record({ namespaces: fc.subarray([...NAMESPACES], { minLength: 1, maxLength: 1 }), podSelector }),
  fc.record({ podSelector }),
  fc.record({ namespaceSelector: fc.constant({ matchLabels: { team: 'one' } }), podSelector }),
);
const side = fc.record(
  { podSelector, ports: fc.subarray(PORTS, { minLength: 1 }).map((all) => all.map((port) => ({ port }))) },
  { requiredKeys: [] },
);
const rules = (direction: 'from' | 'to') =>
  fc
    .array(fc.tuple(side, fc.array(peer, { minLength: 1, maxLength: 2 })), { maxLength: 3 })
    .map((all) =>
      all.map(([own, peers], index) => ({ name: `${direction}-${index}`, ...own, [direction]: peers })),
    );
const generated = fc.record({
  ingress: rules('from'),
  egress: rules('to'),
  selected: fc.subarray([...NAMESPACES], { minLength: 1 }),
  teams: fc.array(fc.constantFrom('one', 'two'), { minLength: 3, maxLength: 3 }),
});

describe('kubectl segmentation convert', () => {
  it('changes no flow of any pod, in every generated profile', () => {
    let converted = 0;
    fc.assert(
      fc.property(generated, ({ ingress, egress, selected, teams }) => {
        const profile = admittedProfile({
          namespaceSelector: {
            matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: selected }],
          },
          ingress,
          egress,
        });
        const objects = new ObjectSet();
        const namespaces = NAMESPACES.map((name, index) => ({
          name,
          labels: { 'kubernetes.io/metadata.name': name, team: teams[index] ?? '' },
        }));
        for (const metadata of namespaces) objects.put('Namespace', { metadata });
        objects.put(KIND, profile);
        const snapshot = manifestsSnapshot(objects);
        const { profile: after, steps } = convertProfile(profile, snapshot, new Proof(snapshot));
        converted += steps.length;
        const judges = [profile, after].map((each) =>
          compileView({
            namespaces,
            policies: namespaces
              .filter(({ name }) => selected.includes(name))
              .flatMap((namespace) => compile(each, namespace, snapshot.facts).policies),
          }),
        );
        const pods = NAMESPACES.flatMap((namespace, place) =>
          ['red', 'blue', 'green'].map(
            (label, index): Pod => ({
              namespace,
              name: label,
              labels: { app: label },
              ips: [`10.0.${place}.${index + 1}`],
            }),
          ),
        );
        for (const from of pods) {
          for (const to of pods) {
            for (const port of [...PORTS, 9]) {
              const flow = {
                from: { kind: 'pod', pod: from },
                to: { kind: 'pod', pod: to },
                port,
                protocol: 'TCP',
              } as const;
              const [was, is] = judges.map((judge) => judge.verdict(flow).allowed);
              assert.equal(
                is,
                was,
                `${from.namespace}/${from.name} → ${to.namespace}/${to.name}:${port} ${JSON.stringify(steps)}`,
              );
            }
          }
        }
      }),
      { numRuns: runs(300) },
    );
    assert.ok(converted > 0, 'no profile was converted');
  });
});
