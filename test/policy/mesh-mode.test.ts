import assert from 'node:assert/strict';
import { hasOverlay, modeOf } from '../../src/policy/mesh.ts';
import { detectIstio } from '../../src/engines/istio/detect.ts';
import { evidenceOf } from '../engines/istio/fixture.ts';

describe('mesh mode of a namespace', () => {
  const { facts } = detectIstio(evidenceOf());
  assert.ok(facts.kind === 'available');
  const mode = (name: string, labels: Readonly<Record<string, string>>) => modeOf(facts, { name, labels });
  const injected = { 'istio-injection': 'enabled' };
  const ambient = { 'istio.io/dataplane-mode': 'ambient' };

  it('is told by the labels of the namespace', () => {
    const modes = [mode('shop', injected), mode('shop', ambient), mode('shop', {})];
    assert.deepEqual(modes, ['sidecars', 'ambient', 'outside']);
    assert.deepEqual(modes.map(hasOverlay), [true, true, false]);
  });

  it('has no overlay in the root namespace, whose policies hold for the whole mesh, whatever its labels', () => {
    for (const labels of [injected, ambient]) assert.equal(mode('istio-system', labels), 'root');
    assert.equal(hasOverlay('root'), false);
  });
});
