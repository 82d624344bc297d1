/** Verdicts under AuthorizationPolicies that allow, by the model of their meaning that istiod and Envoy judge. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject } from '../../../src/api/meta.ts';
import { namespace, pod, world } from '../../audit/world.ts';
import { runs } from '../../policy/fixture.ts';
import { judgeOf } from '../layers/verdicts.ts';
import { meshAllows } from './model.ts';

const member = (id: string, account: string, app: string) =>
  pod(id, { serviceAccountName: account }, { labels: { app, 'security.istio.io/tlsMode': 'istio' } });
const PODS = [
  member('shop/web', 'web', 'web'),
  member('shop/db', 'db', 'db'),
  member('front/web', 'web', 'web'),
  pod('ops/tool', { serviceAccountName: 'web' }),
];
const ADDRESSES = ['203.0.113.9', '198.51.100.7'];
const PORTS = [80, 443];

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const few = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 2 });
const source = fc.oneof(
  few(one('shop', 'front', 'ops')).map((namespaces) => ({ namespaces })),
  few(one('shop/sa/web', 'front/sa/web', 'ops/sa/web')).map((names) => ({
    principals: names.map((name) => `cluster.local/ns/${name}`),
  })),
  one<object>({ notPrincipals: ['*'] }, { notPrincipals: ['cluster.local/ns/front/sa/web'] }),
  one<object>(
    { ipBlocks: ['203.0.113.0/24'] },
    { ipBlocks: ['0.0.0.0/0'], notIpBlocks: ['198.51.100.0/24'] },
    { ipBlocks: ['10.0.0.0/8'] },
    { namespaces: ['front'], ipBlocks: ['10.0.0.0/8'] },
  ),
);
const rule = fc.record(
  {
    from: few(source.map((each) => ({ source: each }))),
    to: few(few(one('80', '443')).map((ports) => ({ operation: { ports } }))),
  },
  { requiredKeys: [] },
);
const policies = fc.array(
  fc.record({
    app: fc.option(one('web', 'db'), { nil: undefined }),
    rules: fc.array(rule, { maxLength: 2 }),
    isDryRun: fc.boolean(),
  }),
  { maxLength: 3 },
);

describe('verdict under AuthorizationPolicies', () => {
  it('is that of the mesh on each connection', () => {
    fc.assert(
      fc.property(policies, (generated) => {
        const objects = generated.map(
          ({ app, rules, isDryRun }, index) =>
            ({
              kind: 'AuthorizationPolicy',
              metadata: {
                namespace: 'shop',
                name: `rules-${index}`,
                ...(isDryRun && { annotations: { 'istio.io/dry-run': 'true' } }),
              },
              spec: { ...(app !== undefined && { selector: { matchLabels: { app } } }), rules },
            }) as KubeObject,
        );
        const judge = judgeOf({
          ...world({ namespaces: ['shop', 'front', 'ops'].map((name) => namespace(name)), pods: PODS }),
          objects: (kind) => (kind === 'AuthorizationPolicy' ? objects : []),
          isRead: () => true,
        });
        for (const to of PODS.slice(0, 2)) {
          for (const port of PORTS) {
            const sources = [
              ...PODS.filter((each) => each !== to).map((each) => ({
                from: `${each.namespace}/${each.name}`,
                ip: each.ips[0] ?? '',
                ...(each.labels['security.istio.io/tlsMode'] !== undefined && {
                  principal: `cluster.local/ns/${each.namespace}/sa/${each.serviceAccount}`,
                }),
              })),
              ...ADDRESSES.map((ip) => ({ from: ip, ip })),
            ];
            for (const { from, ...connection } of sources) {
              const { verdict } = judge({ from, to: `${to.namespace}/${to.name}`, port });
              const isAllowed = meshAllows(objects, to.labels, { ...connection, port });
              assert.equal(verdict, isAllowed ? 'allowed' : 'denied', `${from} > ${to.name} ${port}`);
            }
          }
        }
      }),
      { numRuns: runs(200) },
    );
  });
});
