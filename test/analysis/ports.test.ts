/** Ports of rules, as numbers, ranges and names, and the arithmetic and text of port ranges. */
import assert from 'node:assert/strict';
import {
  formatPorts,
  formatRulePorts,
  type PortRange,
  subtractPorts,
} from '../../src/analysis/model/ports.ts';
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

describe('formatPorts', () => {
  it('joins ports of a protocol, and names whole protocols', () => {
    const tcp = (from: number, to = from): PortRange => ({ protocol: 'TCP', from, to });
    assert.equal(
      formatPorts([tcp(80), tcp(8000, 8100), { protocol: 'UDP', from: 53, to: 53 }]),
      'TCP 80, 8000-8100; UDP 53',
    );
    assert.equal(formatPorts([tcp(1, 65_535)]), 'all TCP ports');
    assert.equal(formatRulePorts(), 'all ports');
    assert.equal(
      formatRulePorts([{ port: 'http' }, { port: 1, endPort: 9 }, { protocol: 'UDP' }]),
      'TCP http, 1-9; all UDP ports',
    );
  });
});

describe('subtractPorts', () => {
  it('keeps the ports on both sides of each removed range', () => {
    const tcp = (from: number, to: number) => ({ protocol: 'TCP' as const, from, to });
    assert.deepEqual(subtractPorts([tcp(1, 100)], [tcp(10, 20), tcp(50, 50)]), [
      tcp(1, 9),
      tcp(21, 49),
      tcp(51, 100),
    ]);
    assert.deepEqual(subtractPorts([tcp(1, 100)], [{ protocol: 'UDP', from: 1, to: 100 }]), [tcp(1, 100)]);
    assert.deepEqual(subtractPorts([tcp(5, 9)], [tcp(1, 100)]), []);
  });
});
