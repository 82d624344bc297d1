import { onPorts, shop, table, toPorts } from './fixture.ts';

table('ports', [
  ['a number', onPorts({ port: 80 }), 'shop/api > shop/web TCP/80', true],
  ['a number is no other number', onPorts({ port: 80 }), 'shop/api > shop/web TCP/81', false],
  ['an absent protocol is TCP', onPorts({ port: 80 }), 'shop/api > shop/web UDP/80', false],
  ['UDP', onPorts({ protocol: 'UDP', port: 53 }), 'shop/api > shop/web UDP/53', true],
  ['UDP is not TCP', onPorts({ protocol: 'UDP', port: 53 }), 'shop/api > shop/web TCP/53', false],
  ['SCTP', onPorts({ protocol: 'SCTP', port: 7 }), 'shop/api > shop/web SCTP/7', true],
  [
    'no port is every port of the protocol',
    onPorts({ protocol: 'UDP' }),
    'shop/api > shop/web UDP/65535',
    true,
  ],
  [
    'no port is no port of another protocol',
    onPorts({ protocol: 'UDP' }),
    'shop/api > shop/web TCP/53',
    false,
  ],
  ['neither port nor protocol is all of TCP', onPorts({}), 'shop/api > shop/web TCP/1', true],
  ['neither port nor protocol is nothing of UDP', onPorts({}), 'shop/api > shop/web UDP/1', false],
  ['ports are ORed', onPorts({ port: 80 }, { port: 81 }), 'shop/api > shop/web TCP/81', true],
  ['endPort: the first port', onPorts({ port: 80, endPort: 90 }), 'shop/api > shop/web TCP/80', true],
  ['endPort: the last port', onPorts({ port: 80, endPort: 90 }), 'shop/api > shop/web TCP/90', true],
  ['endPort: not the port before', onPorts({ port: 80, endPort: 90 }), 'shop/api > shop/web TCP/79', false],
  ['endPort: not the port after', onPorts({ port: 80, endPort: 90 }), 'shop/api > shop/web TCP/91', false],
  ['endPort: not another protocol', onPorts({ port: 80, endPort: 90 }), 'shop/api > shop/web UDP/85', false],
  ['endPort equal to port', onPorts({ port: 80, endPort: 80 }), 'shop/api > shop/web TCP/80', true],
  [
    'a rule asks for both peer and port: wrong port',
    shop({ ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }] }),
    'shop/api > shop/web TCP/81',
    false,
  ],
  [
    'a rule asks for both peer and port: wrong peer',
    shop({ ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }] }),
    'data/db > shop/web TCP/80',
    false,
  ],
  [
    'peer and port of two rules do not mix',
    shop({
      ingress: [
        { from: [{ podSelector: {} }], ports: [{ port: 80 }] },
        { from: [{ namespaceSelector: {} }], ports: [{ port: 81 }] },
      ],
    }),
    'data/db > shop/web TCP/80',
    false,
  ],
]);

table('named ports', [
  [
    'a name is the container port of the destination',
    onPorts({ port: 'http' }),
    'shop/api > shop/web TCP/8080',
    true,
  ],
  ['a name is not the source’s port', onPorts({ port: 'http' }), 'shop/api > shop/web TCP/3000', false],
  [
    'a name that the destination does not have is nothing',
    onPorts({ port: 'sql' }),
    'shop/api > shop/web TCP/8080',
    false,
  ],
  [
    'a name of another protocol is nothing',
    onPorts({ port: 'http', protocol: 'UDP' }),
    'shop/api > shop/web UDP/8080',
    false,
  ],
  ['a name of UDP', onPorts({ port: 'dns', protocol: 'UDP' }), 'shop/api > shop/web UDP/53', true],
  ['a name is taken with the protocol: TCP', onPorts({ port: 'dns' }), 'shop/api > shop/web TCP/5353', true],
  [
    'a name is taken with the protocol: not TCP',
    onPorts({ port: 'dns' }),
    'shop/api > shop/web TCP/53',
    false,
  ],
  ['in egress a name is the destination’s', toPorts({ port: 'http' }), 'shop/web > shop/api TCP/3000', true],
  ['in egress a name is not the source’s', toPorts({ port: 'http' }), 'shop/web > shop/api TCP/8080', false],
  [
    'in egress a name is nothing on a pod without ports',
    toPorts({ port: 'http' }),
    'shop/web > data/db TCP/8080',
    false,
  ],
  [
    'in egress a name is nothing outside the cluster',
    toPorts({ port: 'http' }),
    'shop/web > 198.51.100.7 TCP/8080',
    false,
  ],
  [
    'in egress a name is nothing on the host network',
    toPorts({ port: 'http' }),
    'shop/web > ops/agent TCP/8080',
    false,
  ],
]);
