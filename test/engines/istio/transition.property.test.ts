/** Overlays that begin, change and end, from any prefix of earlier writes, beside policies of others that isolate pods. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { LABEL_PROFILE, LABEL_ROLE } from '../../../src/api/names.ts';
import { DENY_TUNNEL } from '../../../src/engines/istio/ambient/objects.ts';
import { planOverlay } from '../../../src/engines/istio/overlay.ts';
import type { AuthorizationPolicy, AuthorizationRule } from '../../../src/engines/istio/policy.ts';
import { isTransition } from '../../../src/engines/istio/transition.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { runs } from '../../policy/fixture.ts';
import { type Connection, meshAllows } from './model.ts';

const PODS: readonly StringMap[] = ['a', 'b', undefined].flatMap((app) =>
  ['x', 'y', undefined].map((tier) => ({ ...(app && { app }), ...(tier && { tier }) })),
);
const CONNECTIONS: readonly Connection[] = ['front', 'back', undefined].flatMap((namespace) =>
  [80, 90].map((port) => ({
    ip: '10.0.0.1',
    port,
    ...(namespace !== undefined && { principal: `cluster.local/ns/${namespace}/sa/default` }),
  })),
);

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const labels = one<StringMap>({}, {}, { app: 'a' }, { app: 'b' }, { tier: 'x' }, { app: 'a', tier: 'y' });
const rule: fc.Arbitrary<AuthorizationRule> = fc
  .record({ from: one(undefined, 'front', 'back'), port: one(undefined, '80', '90') })
  .map(({ from, port }) => ({
    ...(from !== undefined && { from: [{ source: { namespaces: [from] } }] }),
    ...(port !== undefined && { to: [{ operation: { ports: [port] } }] }),
  }));
const allowing = fc
  .record({ matchLabels: labels, rules: fc.array(rule, { minLength: 1, maxLength: 3 }) })
  .map(({ matchLabels, rules: [first, ...more] }): AuthorizationPolicy['spec'] => ({
    action: 'ALLOW',
    ...(Object.keys(matchLabels).length > 0 && { selector: { matchLabels } }),
    rules: [first ?? {}, ...more],
  }));
const spec = fc.oneof(
  { weight: 5, arbitrary: allowing },
  { weight: 1, arbitrary: one<AuthorizationPolicy['spec']>({}, DENY_TUNNEL) },
);
const dryRun = one(false, false, false, true);

interface Made {
  readonly spec: AuthorizationPolicy['spec'];
  readonly isDryRun: boolean;
}

function policyOf(name: string, profile: string | undefined, { spec: form, isDryRun }: Made) {
  const metadata = {
    name,
    namespace: 'shop',
    ...(profile !== undefined && { labels: { [LABEL_PROFILE]: profile, [LABEL_ROLE]: 'ingress' } }),
    ...(isDryRun && { annotations: { 'istio.io/dry-run': 'true' } }),
  };
  return { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata, spec: form } as const;
}

/** The policies of a profile: one of an overlay that is in force denies what none of them allows. */
const policiesOf = (profile: string) =>
  fc
    .record({
      forms: fc.array(fc.option(fc.record({ spec, isDryRun: dryRun })), { maxLength: 4 }),
      denied: one<AuthorizationPolicy['spec']>({}, DENY_TUNNEL),
      state: one('enforced', 'enforced', 'recorded', 'absent', 'absent'),
    })
    .map(({ forms, denied, state }): AuthorizationPolicy[] => {
      const isDryRun = state === 'recorded';
      const made = [{ spec: denied, isDryRun }, ...forms].flatMap((each, index) => {
        const form = each && { ...each, isDryRun: each.isDryRun || isDryRun };
        return form === null ? [] : [policyOf(`${profile}.${index}`, profile, form)];
      });
      return state === 'absent' ? [] : made;
    });
/** An overlay that is in force. */
const enforced = (policies: readonly AuthorizationPolicy[]): AuthorizationPolicy[] => [
  policyOf('kept.deny', 'kept', { spec: {}, isDryRun: false }),
  ...policies.filter(({ metadata }) => metadata.annotations === undefined),
];
const foreign = (name: string) =>
  fc
    .array(fc.record({ spec: fc.oneof(allowing, allowing, spec), isDryRun: dryRun }), { maxLength: 2 })
    .map((list) => list.map((each, i) => policyOf(`${name}-${i}`, undefined, each)));
const foreignOrNone = (name: string) => fc.oneof(fc.constant([]), foreign(name));

const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.[LABEL_PROFILE];

function after(objects: readonly KubeObject[], step: ObjectStep): KubeObject[] {
  const { name } = (step.verb === 'delete' ? step.before : step.object).metadata;
  const rest = objects.filter(({ metadata }) => metadata.name !== name);
  assert.equal(rest.length === objects.length, step.verb === 'create', `${step.verb} ${name}`);
  return step.verb === 'delete' ? rest : [...rest, step.object];
}

const verdicts = (objects: readonly KubeObject[]) =>
  PODS.flatMap((pod) => CONNECTIONS.map((each) => meshAllows(objects, pod, each)));

describe('an overlay beside policies of others', () => {
  it('is never wider and cuts nothing at any write, also where the operator is killed between', () => {
    const change = fc.record({ policies: policiesOf('p'), stop: fc.nat(40), deleted: fc.nat(20) });
    const cases = fc.record({
      theirs: foreignOrNone('theirs'),
      meshWide: foreignOrNone('root'),
      kept: fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: policiesOf('kept').map(enforced) },
      ),
      changes: fc.array(change, { minLength: 2, maxLength: 4 }),
    });
    const counts = { writes: 0, bridges: 0, covers: 0 };
    fc.assert(
      fc.property(cases, ({ theirs, meshWide, kept, changes }) => {
        let state: readonly KubeObject[] = [...theirs, ...kept];
        for (const { policies, stop, deleted } of changes) {
          const path = [state];
          const now = () => path.at(-1) ?? [];
          const plan = () => planOverlay(now(), { policies, kept: new Set(['kept']) }, { ownerOf, meshWide });
          for (const step of plan().widen) path.push(after(now(), step));
          const last = plan();
          for (const step of [...last.widen, ...last.narrow]) path.push(after(now(), step));
          const [before, wanted] = [verdicts([...state, ...meshWide]), verdicts([...now(), ...meshWide])];
          for (const objects of path) {
            counts.writes += 1;
            const between = verdicts([...objects, ...meshWide]);
            between.forEach((isAllowed, i) => {
              const place = JSON.stringify([
                PODS[Math.floor(i / CONNECTIONS.length)],
                CONNECTIONS[i % CONNECTIONS.length],
              ]);
              if (isAllowed) assert.ok(before[i] === true || wanted[i] === true, `wider: ${place}`);
              else assert.ok(before[i] !== true || wanted[i] !== true, `cut: ${place}`);
            });
          }
          const made = path.flat().filter(isTransition);
          if (made.some((each) => JSON.stringify((each as AuthorizationPolicy).spec).includes('[{}]')))
            counts.covers += 1;
          else if (made.length > 0) counts.bridges += 1;
          const specs = (objects: readonly KubeObject[]) =>
            new Map(objects.map((each) => [each.metadata.name, (each as AuthorizationPolicy).spec]));
          assert.deepEqual(specs(now()), specs([...theirs, ...kept, ...policies]));
          assert.deepEqual(plan(), { widen: [], narrow: [] });
          // The operator is killed at one of the writes, or after the last.
          state = path[Math.min(stop, path.length - 1)] ?? state;
          // Somebody deletes an object meanwhile.
          state = state.filter((each, index) => index !== deleted || ownerOf(each) !== 'p');
        }
      }),
      { numRuns: runs(400) },
    );
    assert.ok(counts.writes > runs(2000) && counts.bridges > 0 && counts.covers > 0, JSON.stringify(counts));
  });
});
