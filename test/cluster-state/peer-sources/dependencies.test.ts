import assert from 'node:assert/strict';
import {
  type Dependency,
  encodeDependency,
  RecordedFacts,
} from '../../../src/cluster-state/peer-sources/dependencies.ts';
import type { PeerSource } from '../../../src/policy/facts.ts';
import { facts } from '../../policy/fixture.ts';

const SLICES: PeerSource = { kind: 'endpointSlices', namespace: 'data' };

describe('recorded facts', () => {
  it('answer as the facts that they record', () => {
    const recorded = new RecordedFacts(facts({ services: { 'data/db': { type: 'ClusterIP' } } }));
    assert.equal(recorded.isKnown({ kind: 'services' }), true);
    assert.equal(recorded.service('data', 'db')?.type, 'ClusterIP');
    assert.equal(recorded.service('data', 'gone'), undefined);
    assert.deepEqual(recorded.endpoints('data', 'db'), []);
  });

  it('have each question once as a dependency', () => {
    const recorded = new RecordedFacts(facts());
    for (let time = 0; time < 2; time++) {
      recorded.isKnown(SLICES);
      recorded.service('data', 'db');
      recorded.endpoints('data', 'db');
      recorded.nodes();
      recorded.serviceCIDRs();
      recorded.webhookServices('data');
      recorded.serviceAccount('data', 'db');
    }
    const expected: Dependency[] = [
      { kind: 'source', source: SLICES },
      { kind: 'service', namespace: 'data', name: 'db' },
      { kind: 'endpoints', namespace: 'data', service: 'db' },
      { kind: 'nodes' },
      { kind: 'serviceCIDRs' },
      { kind: 'webhookServices', namespace: 'data' },
      { kind: 'source', source: { kind: 'serviceAccounts', namespace: 'data', name: 'db' } },
    ];
    assert.deepEqual([...recorded.dependencies.values()], expected);
    assert.deepEqual([...recorded.dependencies.keys()], expected.map(encodeDependency));
    assert.equal(new Set(expected.map(encodeDependency)).size, expected.length);
  });

  it('have the sources that are not known as missing, sorted', () => {
    const recorded = new RecordedFacts(facts({ unknown: ['services', 'endpointSlices/data'] }));
    for (const source of [{ kind: 'services' }, { kind: 'nodes' }, SLICES] as const) recorded.isKnown(source);
    assert.deepEqual(recorded.missing, [SLICES, { kind: 'services' }]);
  });
});
