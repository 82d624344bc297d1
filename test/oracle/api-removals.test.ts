/** The table of removed API versions against the lifecycle that the types of Kubernetes declare (k8s.io/api). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { removals } from '../../src/audit/platform/api-removals.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';

/** Kinds that nobody stores by a manifest, and those that only the control plane writes. */
const NOT_WRITTEN =
  /(?:List|Review|Scale|Rollback|^Eviction|^LeaseCandidate|^APIGroupDiscovery|Options|StatusRequest)$/;
/** Later removals may still be put off. */
const LATEST = 40;
const KINDS = ['Deployment', 'Ingress', 'PodDisruptionBudget', 'ServiceCIDR'];

(goIsThere ? describe : describe.skip)(`table of removed API versions${skippedWithoutGo}`, () => {
  const lifecycle = new Map<string, string>();

  before(async function () {
    this.timeout('20m');
    const tool = await goTool({
      name: 'api-lifecycle',
      module: 'api-lifecycle',
      package: '.',
      title: 'the lifecycle of the kinds of Kubernetes',
      usualTime: 'it takes about a minute on 2 cores',
    });
    for (const line of execFileSync(tool, { encoding: 'utf8' }).trim().split('\n')) {
      const [apiVersion, kind, removedIn = ''] = line.split(' ');
      lifecycle.set(`${apiVersion} ${kind}`, removedIn);
    }
    for (const kind of KINDS)
      assert.ok(
        [...lifecycle.keys()].some((key) => key.endsWith(` ${kind}`)),
        kind,
      );
  });

  it('has the release of each version that the types still declare', () => {
    const declared = [...removals()].filter(([key]) => lifecycle.has(key));
    assert.ok(declared.length > 50);
    assert.deepEqual(
      declared.map(([key, { removedIn }]) => `${key} ${removedIn}`),
      declared.map(([key]) => `${key} ${lifecycle.get(key)}`),
    );
  });

  it('has every version that the types declare to be removed', () => {
    const missing = [...lifecycle].filter(
      ([key, removedIn]) =>
        Number(removedIn) <= LATEST && !NOT_WRITTEN.test(key.split(' ')[1] ?? '') && !removals().has(key),
    );
    assert.deepEqual(missing, []);
  });

  it('names replacements that stay', () => {
    const replaced = [...removals()].flatMap(([key, { replacement }]) =>
      replacement === undefined ? [] : [`${replacement} ${key.split(' ')[1]}`],
    );
    // The scheme of client-go has no kinds of these groups.
    const known = replaced.filter((key) => !/^api(?:extensions|registration)\.k8s\.io/.test(key));
    for (const key of known) assert.equal(lifecycle.get(key), 'stays', key);
  });
});
