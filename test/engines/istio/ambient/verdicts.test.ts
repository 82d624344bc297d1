/** Verdicts on connections between redirected pods, by the model of the tunnel that istiod judges. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Pod } from '../../../../src/analysis/cluster.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../../src/api/names.ts';
import type { IdentifiedPod } from '../../../../src/engines/layers/engine-policy.ts';
import { runs } from '../../../policy/fixture.ts';
import { judgeOf } from '../../layers/verdicts.ts';
import { profiles, SOURCES, TARGETS } from './arbitrary.ts';
import { AmbientNamespace, NAMESPACES, TUNNEL_PORT } from './world.ts';

const AMBIENT = new Set(
  NAMESPACES.filter(({ labels }) => labels['istio.io/dataplane-mode'] === 'ambient').map(({ name }) => name),
);
const redirected = (pod: Pod, index: number): IdentifiedPod => ({
  ...pod,
  ips: [`10.0.0.${index + 1}`],
  serviceAccount: pod.labels[LABEL_SERVICE_ACCOUNT] ?? 'default',
  isRedirected: AMBIENT.has(pod.namespace),
});
const PODS = [...TARGETS, ...SOURCES].map(redirected);

describe('verdict on a connection between redirected pods', () => {
  it('is that of the tunnel on each port', () => {
    let known = 0;
    fc.assert(
      fc.property(profiles, (made) => {
        const namespace = new AmbientNamespace();
        namespace.settle([made]);
        const judge = judgeOf({
          objects: (kind) => (kind === 'AuthorizationPolicy' ? namespace.objects : []),
          isRead: () => true,
          ownerOf: () => undefined,
          namespaces: NAMESPACES,
          pods: PODS,
          policies: namespace.policies,
        });
        for (const to of TARGETS) {
          for (const from of SOURCES.filter((each) => AMBIENT.has(each.namespace))) {
            for (const port of [80, 90]) {
              const ends = { from: `${from.namespace}/${from.name}`, to: `${to.namespace}/${to.name}` };
              const { verdict, flow } = judge({ ...ends, port });
              assert.equal(flow.port, TUNNEL_PORT);
              // A flow is unknown if the trust domain of an identity may be another cluster's.
              if (verdict === 'unknown') continue;
              known += 1;
              const isPassing = namespace.passes({ from, to, port });
              assert.equal(verdict === 'allowed', isPassing, `${ends.from} > ${ends.to} ${port}`);
            }
          }
        }
      }),
      { numRuns: runs(60) },
    );
    assert.ok(known > 0);
  });
});
