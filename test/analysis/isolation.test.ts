import { from, policy, shop, table, to, web } from './fixture.ts';

table('isolation', [
  ['without a policy everything is open', [], 'shop/api > shop/web TCP/8080', true],
  [
    'a policy of another namespace isolates nothing here',
    [policy('data', 'p', {})],
    'shop/api > shop/web TCP/80',
    true,
  ],
  ['a policy without podSelector isolates every pod', shop({}), 'shop/web > shop/api TCP/80', false],
  ['an empty podSelector isolates every pod', shop({ podSelector: {} }), 'data/db > shop/api TCP/80', false],
  [
    'a policy isolates the pods that it selects',
    shop({ podSelector: web }),
    'shop/api > shop/web TCP/80',
    false,
  ],
  [
    'a policy leaves the pods that it does not select open',
    shop({ podSelector: web }),
    'data/db > shop/api TCP/80',
    true,
  ],
  ['ingress isolation leaves egress open', shop({ podSelector: web }), 'shop/web > data/db TCP/80', true],
  [
    'egress isolation leaves ingress open',
    shop({ podSelector: web, policyTypes: ['Egress'] }),
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    'both ends must allow: the source may not send',
    [
      policy('shop', 'out', { podSelector: web, policyTypes: ['Egress'] }),
      policy('data', 'in', { ingress: [{}] }),
    ],
    'shop/web > data/db TCP/80',
    false,
  ],
  [
    'both ends must allow: the destination may not receive',
    [
      policy('shop', 'out', { podSelector: web, policyTypes: ['Egress'], egress: [{}] }),
      policy('data', 'in', {}),
    ],
    'shop/web > data/db TCP/80',
    false,
  ],
  ['an address outside can be denied entry', shop({}), '198.51.100.7 > shop/web TCP/80', false],
  ['an address outside is subject to no policy', shop({}), 'shop/web > 198.51.100.7 TCP/80', true],
]);

table('policyTypes', [
  ['absent, without egress: ingress only', shop({}), 'shop/web > data/db TCP/80', true],
  ['absent, with an empty egress: ingress only', shop({ egress: [] }), 'shop/web > data/db TCP/80', true],
  [
    'absent, with egress rules: egress too',
    shop({ egress: [{ to: [{ podSelector: {} }] }] }),
    'shop/web > data/db TCP/80',
    false,
  ],
  [
    'absent, with egress rules only: ingress all the same',
    shop({ egress: [{}] }),
    'data/db > shop/web TCP/80',
    false,
  ],
  ['an empty list is as absent', shop({ policyTypes: [], egress: [{}] }), 'data/db > shop/web TCP/80', false],
  [
    'an empty list without egress leaves egress open',
    shop({ policyTypes: [] }),
    'shop/web > data/db TCP/80',
    true,
  ],
  [
    '[Egress] makes ingress rules void',
    shop({ policyTypes: ['Egress'], ingress: [{ from: [{ podSelector: {} }] }] }),
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    '[Ingress] makes egress rules void',
    shop({ policyTypes: ['Ingress'], egress: [{ to: [{ podSelector: {} }] }] }),
    'shop/web > data/db TCP/80',
    true,
  ],
  [
    '[Egress] without rules denies all egress',
    shop({ policyTypes: ['Egress'] }),
    'shop/web > 198.51.100.7 TCP/80',
    false,
  ],
  [
    'both, with rules for one, deny the other',
    shop({ policyTypes: ['Ingress', 'Egress'], ingress: [{}] }),
    'shop/web > data/db TCP/80',
    false,
  ],
]);

table('absent and empty lists', [
  ['absent ingress denies', shop({ policyTypes: ['Ingress'] }), 'data/db > shop/web TCP/80', false],
  ['empty ingress denies', shop({ ingress: [] }), 'data/db > shop/web TCP/80', false],
  ['an empty rule allows all', shop({ ingress: [{}] }), '198.51.100.7 > shop/web SCTP/1', true],
  [
    'an empty from allows every peer',
    shop({ ingress: [{ from: [] }] }),
    '198.51.100.7 > shop/web TCP/80',
    true,
  ],
  ['an empty to allows every peer', to(), 'shop/web > 198.51.100.7 TCP/80', true],
  [
    'an empty from with ports is everyone on those ports',
    shop({ ingress: [{ from: [], ports: [{ port: 80 }] }] }),
    '198.51.100.7 > shop/web TCP/80',
    true,
  ],
  [
    'an empty from with ports is no one on others',
    shop({ ingress: [{ from: [], ports: [{ port: 80 }] }] }),
    '198.51.100.7 > shop/web TCP/81',
    false,
  ],
  [
    'empty ports are all ports',
    shop({ ingress: [{ from: [{ podSelector: {} }], ports: [] }] }),
    'shop/api > shop/web SCTP/7',
    true,
  ],
  [
    'empty ports still ask for a peer',
    shop({ ingress: [{ from: [{ podSelector: {} }], ports: [] }] }),
    'data/db > shop/web TCP/80',
    false,
  ],
]);

table('several policies', [
  [
    'rules add up over policies',
    [...from({ podSelector: {} }), policy('shop', 'b', { ingress: [{ from: [{ namespaceSelector: {} }] }] })],
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    'a deny takes nothing away from an allow',
    [policy('shop', 'deny', {}), policy('shop', 'allow', { podSelector: web, ingress: [{}] })],
    'data/db > shop/web TCP/80',
    true,
  ],
  [
    'an allow for other pods leaves a denied pod denied',
    [policy('shop', 'deny', {}), policy('shop', 'allow', { podSelector: web, ingress: [{}] })],
    'data/db > shop/api TCP/80',
    false,
  ],
  [
    'an allow of one direction is none of the other',
    [
      policy('shop', 'deny', { policyTypes: ['Ingress', 'Egress'] }),
      policy('shop', 'allow', { ingress: [{}] }),
    ],
    'shop/web > data/db TCP/80',
    false,
  ],
]);
