import { from, table, to, web } from './fixture.ts';

table('peers by selector', [
  [
    'an empty podSelector is the policy’s namespace',
    from({ podSelector: {} }),
    'shop/api > shop/web TCP/80',
    true,
  ],
  [
    'an empty podSelector is no other namespace',
    from({ podSelector: {} }),
    'data/db > shop/web TCP/80',
    false,
  ],
  [
    'an empty podSelector is no address outside',
    from({ podSelector: {} }),
    '198.51.100.7 > shop/web TCP/80',
    false,
  ],
  [
    'a podSelector is about the policy’s namespace',
    from({ podSelector: web }),
    'ops/web > shop/web TCP/80',
    false,
  ],
  [
    'a podSelector matches labels',
    from({ podSelector: { matchLabels: { app: 'api' } } }),
    'shop/api > shop/web TCP/80',
    true,
  ],
  [
    'an empty namespaceSelector is every pod',
    from({ namespaceSelector: {} }),
    'ops/web > shop/web TCP/80',
    true,
  ],
  [
    'an empty namespaceSelector is the own namespace too',
    from({ namespaceSelector: {} }),
    'shop/api > shop/web TCP/80',
    true,
  ],
  [
    'an empty namespaceSelector is no address outside',
    from({ namespaceSelector: {} }),
    '198.51.100.7 > shop/web TCP/80',
    false,
  ],
  [
    'a namespaceSelector is all pods there',
    from({ namespaceSelector: { matchLabels: { team: 'blue' } } }),
    'data/bare > shop/web TCP/80',
    true,
  ],
  [
    'a namespaceSelector is none elsewhere',
    from({ namespaceSelector: { matchLabels: { team: 'blue' } } }),
    'ops/web > shop/web TCP/80',
    false,
  ],
  [
    'both selectors are ANDed: right namespace, wrong pod',
    from({ namespaceSelector: { matchLabels: { team: 'blue' } }, podSelector: web }),
    'data/db > shop/web TCP/80',
    false,
  ],
  [
    'both selectors are ANDed: wrong namespace, right pod',
    from({ namespaceSelector: { matchLabels: { team: 'blue' } }, podSelector: web }),
    'ops/web > shop/web TCP/80',
    false,
  ],
  [
    'both selectors are ANDed: both right',
    from({
      namespaceSelector: { matchLabels: { team: 'blue' } },
      podSelector: { matchLabels: { app: 'db' } },
    }),
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    'two peers are ORed',
    from({ namespaceSelector: { matchLabels: { team: 'blue' } } }, { podSelector: web }),
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    'a namespace is known by its name',
    from({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'data' } } }),
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    'egress peers are found in the same way',
    to({ namespaceSelector: { matchLabels: { team: 'blue' } } }),
    'shop/web > data/db TCP/80',
    true,
  ],
  [
    'egress peers leave others out',
    to({ namespaceSelector: { matchLabels: { team: 'blue' } } }),
    'shop/web > ops/web TCP/80',
    false,
  ],
]);

table('selector operators in peers', [
  [
    'In',
    from({ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['api', 'x'] }] } }),
    'shop/api > shop/web TCP/80',
    true,
  ],
  [
    'In leaves other values out',
    from({
      namespaceSelector: {},
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['api'] }] },
    }),
    'data/db > shop/web TCP/80',
    false,
  ],
  [
    'In leaves pods without the key out',
    from({
      namespaceSelector: {},
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['api'] }] },
    }),
    'data/bare > shop/web TCP/80',
    false,
  ],
  [
    'NotIn',
    from({
      namespaceSelector: {},
      podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['api'] }] },
    }),
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    'NotIn leaves its values out',
    from({ podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['api'] }] } }),
    'shop/api > shop/web TCP/80',
    false,
  ],
  [
    'NotIn takes pods without the key',
    from({
      namespaceSelector: {},
      podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['api'] }] },
    }),
    'data/bare > shop/web TCP/80',
    true,
  ],
  [
    'NotIn takes namespaces without the key',
    from({ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['blue'] }] } }),
    'ops/web > shop/web TCP/80',
    true,
  ],
  [
    'Exists',
    from({ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] } }),
    'data/bare > shop/web TCP/80',
    true,
  ],
  [
    'Exists leaves namespaces without the key out',
    from({ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] } }),
    'ops/web > shop/web TCP/80',
    false,
  ],
  [
    'DoesNotExist',
    from({ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] } }),
    'ops/web > shop/web TCP/80',
    true,
  ],
  [
    'DoesNotExist leaves namespaces with the key out',
    from({ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] } }),
    'data/bare > shop/web TCP/80',
    false,
  ],
  [
    'an empty value is a value',
    from({ podSelector: { matchLabels: { tier: '' } } }),
    'shop/api > shop/web TCP/80',
    true,
  ],
  [
    'an empty value is not an absent key',
    from({ namespaceSelector: {}, podSelector: { matchLabels: { tier: '' } } }),
    'data/bare > shop/web TCP/80',
    false,
  ],
]);
