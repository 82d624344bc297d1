/** Policies that the API server would refuse for their size. */
import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

/** Each write of so large a profile takes the API server seconds, and more on a busy machine. Milliseconds. */
const PATIENCE_MS = 120_000;

/** A rule of 50 blocks with 20 exceptions each, some 20 KiB. */
function largeRule(index: number): object {
  const block = (i: number) => ({
    cidr: `10.${i}.0.0/16`,
    except: Array.from({ length: 20 }, (_, j) => `10.${i}.${100 + j}.${index * 4}/30`),
  });
  return { name: `r${index}`, to: Array.from({ length: 50 }, (_, i) => ({ ipBlock: block(i) })) };
}

describe('profile whose policy would be too large', function () {
  this.timeout(5 * PATIENCE_MS); // of several such waits
  const at = new OperatorSuite('limits');

  it('is Stalled with a remedy, keeps its policies, and recovers when it becomes smaller', async () => {
    const namespace = await at.box.namespace('app');
    const profile = await at.box.profile('large', { egress: [largeRule(0)] });
    await at.box.ready(profile, PATIENCE_MS);
    const before = await at.box.policies(namespace);

    await at.box.edit(profile, { egress: Array.from({ length: 48 }, (_, index) => largeRule(index)) });
    await eventually(async () => {
      const { status, reason, message } = await at.box.condition(profile, 'Stalled');
      assert.deepEqual([status, reason], ['True', 'PoliciesTooLarge'], message);
      assert.match(message, /egress would have \d+ KiB, more than 1024 KiB; use fewer or wider peers/);
    }, PATIENCE_MS);
    assert.equal((await at.box.condition(profile, 'Ready')).status, 'False');
    assert.deepEqual(await at.box.policies(namespace), before);
    await eventually(async () => {
      const text = await at.plane.kubectlRun(['events', '--for', `segp/${profile}`]);
      assert.match(
        text,
        / Warning +Stalled +SegmentationProfile\S+ +PoliciesTooLarge: 1 namespace can't go on/,
      );
    }, PATIENCE_MS);

    await at.box.edit(profile, { egress: [largeRule(1)] });
    await at.box.ready(profile, PATIENCE_MS);
    assert.notDeepEqual(await at.box.policies(namespace), before);
  });
});
