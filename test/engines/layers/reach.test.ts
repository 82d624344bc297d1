/** The reach under policies of every kind has, for each pair of pods and each port, the verdict on that flow. */
import assert from 'node:assert/strict';
import type { LayerObject } from '../../../src/analysis/layers/layered-view.ts';
import type { PortRange } from '../../../src/analysis/model/ports.ts';
import { computeReach } from '../../../src/analysis/reach/reach.ts';
import type { Protocol } from '../../../src/api/network-policy.ts';
import { CASES, PODS, settingsOf, worldOf } from './cases.ts';
import { ISTIO_CASES } from './istio-cases.ts';
import { judgeOf, viewOf } from './verdicts.ts';

const PORTS: readonly (readonly [port: number, protocol: Protocol])[] = [
  [22, 'TCP'],
  [80, 'TCP'],
  [443, 'TCP'],
  [15_020, 'TCP'],
  [53, 'UDP'],
];

const nameOf = ({ kind, name }: LayerObject) => `${kind} ${name}`;

describe('reach under', () => {
  for (const [name, each] of Object.entries({ ...CASES, ...ISTIO_CASES })) {
    it(`${name} has the verdict on each flow, and names what decides`, () => {
      const world = worldOf(each);
      const { podsInIPBlocks = true } = settingsOf(each);
      const view = viewOf(world, { podsInIPBlocks });
      const { groups, links } = computeReach(
        {
          namespaces: world.namespaces,
          pods: view.pods,
          policies: [...world.policies, ...view.standIns],
        },
        {
          groupOf: (pod) => ({ namespace: pod.namespace, kind: 'Pod', name: pod.name }),
          roles: view.roles,
          namesLayers: true,
          podsInIPBlocks,
        },
      );
      const judge = judgeOf(world, { podsInIPBlocks });
      const numberOf = (id: string) =>
        groups.findIndex(({ namespace, name: own }) => `${namespace}/${own}` === id);
      const ids = PODS.map(({ namespace, name: own }) => `${namespace}/${own}`);
      for (const from of ids) {
        for (const to of ids) {
          if (from === to) continue;
          const link = links.find((one) => one.from === numberOf(from) && one.to === numberOf(to));
          for (const [port, protocol] of PORTS) {
            const has = (ranges: readonly PortRange[] = []) =>
              ranges.some((one) => one.protocol === protocol && one.from <= port && port <= one.to);
            const found = has(link?.ports) ? 'allowed' : has(link?.unknown) ? 'unknown' : 'denied';
            const { verdict, ends } = judge({ from, to, port, protocol });
            assert.equal(found, verdict, `${from} > ${to} ${port}/${protocol}`);
            if (verdict === 'denied') continue;
            const named = new Set(link?.layers?.map(nameOf));
            for (const { by, dependsOn } of Object.values(ends))
              for (const { object } of [...(by ? [by] : []), ...dependsOn])
                assert.ok(object.kind === 'Namespace' || named.has(nameOf(object)), nameOf(object));
          }
        }
      }
    });
  }
});
