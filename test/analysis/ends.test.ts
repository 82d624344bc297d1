/** Ends of a flow with rules of their own: the host network, the pod's node, the pod itself. */
import { from, policy, shop, table, to } from './fixture.ts';

table('pods on the host network', [
  ['they are not isolated', [policy('ops', 'deny', {})], 'shop/web > ops/agent TCP/80', true],
  [
    'their egress is not isolated',
    [policy('ops', 'deny', { policyTypes: ['Egress'] })],
    'ops/agent > data/bare TCP/80',
    true,
  ],
  [
    'selectors do not match them',
    shop({ ingress: [{ from: [{ namespaceSelector: {} }] }] }),
    'ops/agent > shop/api TCP/80',
    false,
  ],
  ['egress selectors do not match them', to({ namespaceSelector: {} }), 'shop/web > ops/agent TCP/80', false],
  ['CIDRs match them', to({ ipBlock: { cidr: '192.168.0.0/24' } }), 'shop/web > ops/agent TCP/80', true],
  ['they reach the pods of their node', shop({}), 'ops/agent > shop/web TCP/80', true],
  ['they do not reach the pods of other nodes', shop({}), 'ops/agent > shop/api TCP/80', false],
]);

table("a pod's traffic with itself and its own node", [
  ['the own node reaches an isolated pod', shop({}), '192.168.0.9@node-1 > shop/web TCP/80', true],
  ['another node does not', shop({}), '192.168.0.9@node-2 > shop/web TCP/80', false],
  ['an address of unknown node does not', shop({}), '192.168.0.9 > shop/web TCP/80', false],
  ['a pod of the same node is not the node', shop({}), 'data/db > shop/web TCP/80', false],
  [
    'egress to the own node is subject to policy',
    shop({ policyTypes: ['Egress'] }),
    'shop/web > 192.168.0.9@node-1 TCP/80',
    false,
  ],
  [
    'an isolated pod reaches itself',
    shop({ policyTypes: ['Ingress', 'Egress'] }),
    'shop/web > shop/web TCP/80',
    true,
  ],
  [
    'a pod of the same name elsewhere is another pod',
    [policy('shop', 'deny', {})],
    'ops/web > shop/web TCP/80',
    false,
  ],
]);

table('objects that the API server would refuse', [
  ['a peer without fields matches nobody', from({}), 'shop/api > shop/web TCP/80', false],
  [
    'a peer of both kinds matches nobody',
    from({ podSelector: {}, ipBlock: { cidr: '0.0.0.0/0' } }),
    'shop/api > shop/web TCP/80',
    false,
  ],
  [
    'a malformed CIDR matches nobody',
    from({ ipBlock: { cidr: '10.0.0.0' } }),
    'shop/api > shop/web TCP/80',
    false,
  ],
  [
    'a malformed except makes its ipBlock match nobody',
    from({ ipBlock: { cidr: '0.0.0.0/0', except: ['x'] } }),
    'shop/api > shop/web TCP/80',
    false,
  ],
]);
