import assert from 'node:assert/strict';
import { from, parseFlow, pods, table, to, verdictOf } from './fixture.ts';

table('ipBlock', [
  [
    'finds an address in it',
    from({ ipBlock: { cidr: '198.51.100.0/24' } }),
    '198.51.100.7 > shop/web TCP/80',
    true,
  ],
  [
    'leaves an address outside it out',
    from({ ipBlock: { cidr: '198.51.100.0/24' } }),
    '198.51.101.7 > shop/web TCP/80',
    false,
  ],
  [
    'finds its first address',
    from({ ipBlock: { cidr: '198.51.100.0/30' } }),
    '198.51.100.0 > shop/web TCP/80',
    true,
  ],
  [
    'finds its last address',
    from({ ipBlock: { cidr: '198.51.100.0/30' } }),
    '198.51.100.3 > shop/web TCP/80',
    true,
  ],
  [
    'leaves the address after its last out',
    from({ ipBlock: { cidr: '198.51.100.0/30' } }),
    '198.51.100.4 > shop/web TCP/80',
    false,
  ],
  [
    'drops bits beyond the prefix',
    from({ ipBlock: { cidr: '198.51.100.77/24' } }),
    '198.51.100.7 > shop/web TCP/80',
    true,
  ],
  [
    'leaves except out',
    from({ ipBlock: { cidr: '198.51.100.0/24', except: ['198.51.100.0/28'] } }),
    '198.51.100.7 > shop/web TCP/80',
    false,
  ],
  [
    'finds what is beside except',
    from({ ipBlock: { cidr: '198.51.100.0/24', except: ['198.51.100.0/28'] } }),
    '198.51.100.16 > shop/web TCP/80',
    true,
  ],
  [
    'leaves each of several excepts out',
    from({ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '198.51.100.0/24'] } }),
    '198.51.100.7 > shop/web TCP/80',
    false,
  ],
  [
    'takes an empty except for none',
    from({ ipBlock: { cidr: '198.51.100.0/24', except: [] } }),
    '198.51.100.7 > shop/web TCP/80',
    true,
  ],
  [
    'except does not cut what another block allows',
    from(
      { ipBlock: { cidr: '198.51.100.0/24', except: ['198.51.100.0/28'] } },
      { ipBlock: { cidr: '198.51.100.7/32' } },
    ),
    '198.51.100.7 > shop/web TCP/80',
    true,
  ],
  ['finds IPv6', from({ ipBlock: { cidr: '2001:db8::/32' } }), '2001:DB8:0::7 > shop/web TCP/80', true],
  [
    'leaves IPv6 except out',
    from({ ipBlock: { cidr: '2001:db8::/32', except: ['2001:db8::/64'] } }),
    '2001:db8::7 > shop/web TCP/80',
    false,
  ],
  [
    '0.0.0.0/0 is IPv4 only',
    from({ ipBlock: { cidr: '0.0.0.0/0' } }),
    '2001:db8::7 > shop/web TCP/80',
    false,
  ],
  ['::/0 is IPv6 only', from({ ipBlock: { cidr: '::/0' } }), '198.51.100.7 > shop/web TCP/80', false],
  [
    'an IPv4-mapped address is IPv4',
    from({ ipBlock: { cidr: '198.51.100.0/24' } }),
    '::ffff:198.51.100.7 > shop/web TCP/80',
    true,
  ],
  [
    'finds a pod by its address',
    from({ ipBlock: { cidr: '10.0.0.0/30' } }),
    'shop/api > shop/web TCP/80',
    true,
  ],
  [
    'finds no pod that has no address',
    from({ ipBlock: { cidr: '0.0.0.0/0' } }),
    'ops/pending > shop/web TCP/80',
    false,
  ],
  [
    'of egress finds an address',
    to({ ipBlock: { cidr: '198.51.100.0/24' } }),
    'shop/web > 198.51.100.7 TCP/80',
    true,
  ],
  [
    'of egress leaves others out',
    to({ ipBlock: { cidr: '198.51.100.0/24' } }),
    'shop/web > 203.0.113.1 TCP/80',
    false,
  ],
]);

describe('CIDRs that leave pods to selectors', () => {
  const options = { podsInIPBlocks: false };

  it('find addresses outside the pod network only', () => {
    const open = from({ ipBlock: { cidr: '0.0.0.0/0' } });
    assert.equal(verdictOf(open, 'shop/api > shop/web TCP/80', options).allowed, false);
    assert.equal(verdictOf(open, '198.51.100.7 > shop/web TCP/80', options).allowed, true);
    assert.equal(verdictOf(open, 'ops/agent > shop/web TCP/80', options).allowed, true);
  });
});

describe('dual-stack pods', () => {
  const v4Only = from({ ipBlock: { cidr: '0.0.0.0/0' } });
  const flow = parseFlow('shop/api > shop/web TCP/80');

  it('are judged by the family that the flow names', () => {
    assert.equal(verdictOf(v4Only, { ...flow, family: 4 }).allowed, true);
    assert.equal(verdictOf(v4Only, { ...flow, family: 6 }).allowed, false);
  });

  it('use the first address of the source whose family the destination has', () => {
    const source = pods.find(({ name }) => name === 'api')!;
    const v6First = { ...source, ips: source.ips.toReversed() };
    const destination = pods.find(({ name }) => name === 'web')!;
    const flowFrom = (pod: typeof source, ips: readonly string[]) => ({
      ...flow,
      from: { kind: 'pod' as const, pod },
      to: { kind: 'pod' as const, pod: { ...destination, ips } },
    });
    assert.equal(verdictOf(v4Only, flowFrom(v6First, destination.ips)).allowed, false);
    assert.equal(verdictOf(v4Only, flowFrom(v6First, ['10.0.0.1'])).allowed, true);
    assert.equal(verdictOf(v4Only, flowFrom(source, destination.ips)).allowed, true);
  });
});
