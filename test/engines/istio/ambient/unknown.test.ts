/** The tunnel of a namespace while the operator can't read the mesh or its policies. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isTunnel } from '../../../../src/policy/tunnels.ts';
import { runs } from '../../../policy/fixture.ts';
import { connectionsOn, profiles as generated, tcp } from './arbitrary.ts';
import { AmbientNamespace, isMeant, meshProfile, textOf, textsOf } from './world.ts';

const CONNECTIONS = connectionsOn([80, 90]);
const passing = (namespace: AmbientNamespace) => textsOf(CONNECTIONS, (each) => namespace.passes(each));

describe('the tunnel of a mesh that is not known', () => {
  const everyone = { name: 'everyone', from: [{ entity: 'Any' as const }] };
  const front = { name: 'front', from: [{ namespaces: ['front'] }], ports: [tcp(80)] };
  const tunnelsIn = ({ policies }: AmbientNamespace) => policies.filter(isTunnel);

  /** A namespace with one profile, whose mesh is not known any more. @param areGone true if its policies are deleted with their kind */
  const forgotten = (made: ReturnType<typeof meshProfile>, areGone: boolean) => {
    const namespace = new AmbientNamespace();
    namespace.settle([made]);
    namespace.isKnown = false;
    if (areGone) namespace.objects = [];
    return namespace;
  };

  it('stays open for a rule with ports whose connections passed by a rule for every port', () => {
    for (const areGone of [true, false]) {
      const namespace = forgotten(meshProfile([everyone]), areGone);
      const edited = [meshProfile([front])];
      const [passes] = CONNECTIONS.filter((each) => isMeant(edited, each));
      assert.ok(passes && namespace.passes(passes));
      namespace.settle(edited, (write) => assert.ok(namespace.passes(passes), `cut by ${write}`));
      assert.equal(tunnelsIn(namespace).length, 1);
      for (const each of CONNECTIONS)
        if (each.from.namespace !== 'front') assert.ok(!namespace.passes(each), textOf(each));
    }
  });

  it('is exact again once the mesh is known', () => {
    const namespace = forgotten(meshProfile([everyone]), true);
    const edited = [meshProfile([front])];
    namespace.settle(edited);
    namespace.isKnown = true;
    namespace.settle(edited);
    for (const each of CONNECTIONS) assert.equal(namespace.passes(each), isMeant(edited, each), textOf(each));
  });

  it('does not open for a rule whose connections did not pass', () => {
    const namespace = forgotten(meshProfile([{ ...everyone, from: [{ namespaces: ['back'] }] }]), true);
    namespace.settle([meshProfile([front])]);
    assert.deepEqual(tunnelsIn(namespace), []);
  });

  it('stays as it is while nothing changes, also beside a rule for every port that no namespace matches', () => {
    const nobody = { name: 'nobody', from: [{ namespaceSelector: { matchLabels: { team: 'none' } } }] };
    const made = meshProfile([nobody, { ...front, from: [{ podSelector: {} }, ...front.from] }]);
    const namespace = forgotten(made, false);
    namespace.settle([made], (write) => assert.fail(write));
  });

  it('stays as it is beside the entrance that a deleted profile has left', () => {
    const named = meshProfile([{ ...front, ports: [{ protocol: 'TCP' as const, port: 'http' }] }], 'named');
    const namespace = new AmbientNamespace();
    namespace.isolate([named]);
    namespace.policies = [...namespace.policies, ...tunnelsIn(forgotten(meshProfile([front]), false))];
    namespace.isKnown = false;
    namespace.held = new Set(['segmented']);
    const tunnels = namespace.plan([named]).profiles.get('named');
    assert.deepEqual(tunnels?.policies, []);
  });

  it('is never wider, and never cut, while profiles change', () => {
    let [kept, opened] = [0, 0];
    fc.assert(
      fc.property(
        generated,
        fc.array(generated, { minLength: 1, maxLength: 2 }),
        fc.boolean(),
        (first, edits, areGone) => {
          const namespace = forgotten(first, areGone);
          if (!namespace.isIsolated) return;
          namespace.settle([first], (write) => assert.fail(write));
          for (const edited of edits) {
            const before = passing(namespace);
            const meant = textsOf(CONNECTIONS, (each) => isMeant([edited], each));
            namespace.settle([edited], (write) => {
              const now = passing(namespace);
              for (const each of now)
                assert.ok(before.has(each) || meant.has(each), `wider after ${write}: ${each}`);
              for (const each of before.intersection(meant))
                assert.ok(now.has(each), `cut after ${write}: ${each}`);
              kept += before.intersection(meant).size;
            });
            opened += tunnelsIn(namespace).length;
          }
        },
      ),
      { numRuns: runs(200), examples: [[meshProfile([everyone]), [meshProfile([front])], true]] },
    );
    assert.ok(kept > 0 && opened > 0, `${kept} kept, ${opened} opened`);
  });
});
