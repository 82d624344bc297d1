import assert from 'node:assert/strict';
import { negotiateFormat } from '../../../src/observability/metrics/format/exposition.ts';

describe('negotiateFormat', () => {
  for (const [name, accept, format] of [
    ['no Accept header', undefined, 'prometheus'],
    ['curl', '*/*', 'prometheus'],
    ['a browser', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'prometheus'],
    ['plain text only', 'text/plain;version=0.0.4', 'prometheus'],
    ['OpenMetrics only', 'application/openmetrics-text', 'openmetrics'],
    ['OpenMetrics 1.0.0', 'application/openmetrics-text; version=1.0.0; charset=utf-8', 'openmetrics'],
    ['an OpenMetrics that is not written here', 'application/openmetrics-text;version=2.0.0', 'prometheus'],
    [
      'Prometheus 2',
      'application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    [
      'Prometheus 3',
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    [
      'a client that prefers plain text',
      'text/plain;version=0.0.4, application/openmetrics-text;q=0.5',
      'prometheus',
    ],
    ['one that refuses OpenMetrics', 'application/openmetrics-text;q=0', 'prometheus'],
    ['nonsense', ';;;q=,,=', 'prometheus'],
  ] as const) {
    it(`chooses ${format} for ${name}`, () => assert.equal(negotiateFormat(accept), format));
  }
});
